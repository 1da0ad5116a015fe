//! What of the stored facts is published, and as which message. The match is exhaustive, so a new
//! event must be decided on here. Private are the letters and wishes that identity works off itself.

use bus::Outbound;
use contracts::vbwd::identity::v1 as proto;
use eventstore::unknown_event;
use ids::UserId;
use kernel::{DomainEvent, StoredEvent};

use crate::NAME;
use crate::events::IdentityEvent;
use crate::grpc::timestamp;

/// The message `$name` of this package about `$stored`, published under the noun `$noun`.
macro_rules! message {
    ($stored:expr, $noun:literal, $event:expr, $name:ident { $($field:ident : $value:expr),* $(,)? }) => {{
        let at = Some(timestamp($stored.metadata.at));
        let message = proto::$name { $($field: $value,)* at };
        let schema = concat!("vbwd.identity.v1.", stringify!($name));
        Outbound::of($stored, NAME, $noun, $event, (schema, &message)).map(|published| vec![published])
    }};
}

/// The published form of a stored fact.
///
/// # Errors
/// A fact that this program cannot read.
pub fn publish(stored: &StoredEvent) -> fault::Result<Vec<Outbound>> {
    use IdentityEvent as Event;
    let event = stored.decode::<IdentityEvent>().map_err(unknown_event)?;
    let name = event.name();
    match event {
        Event::UserRegistered(event) => {
            message!(stored, "user", name, UserRegistered { user_id: event.user.to_string() })
        }
        Event::UserSuspended(event) => {
            let (user_id, reason) = (event.user.to_string(), event.reason);
            message!(stored, "user", name, UserSuspended { user_id: user_id, reason: reason })
        }
        Event::UserActivated(event) => {
            message!(stored, "user", name, UserActivated { user_id: event.user.to_string() })
        }
        Event::LoginFailed(event) => {
            let (user_id, origin_address) = (text(event.user), event.origin.unwrap_or_default());
            message!(stored, "login", name, LoginFailed { user_id: user_id, origin_address: origin_address })
        }
        Event::LoginLocked(event) => {
            let (user_id, until) = (text(event.user), Some(timestamp(event.until)));
            message!(stored, "login", name, LoginLocked { user_id: user_id, until: until })
        }
        Event::SourceBlocked(event) => {
            let (network, why, until) = (event.network, event.why, Some(timestamp(event.until)));
            message!(stored, "source", name, SourceBlocked { network: network, why: why, until: until })
        }
        Event::SourceLifted(event) => {
            message!(stored, "source", name, SourceLifted { network: event.network })
        }
        Event::SessionReuseDetected(event) => {
            let (user_id, session_id) = (event.user.to_string(), event.session.to_string());
            message!(
                stored,
                "session",
                name,
                SessionReuseDetected { user_id: user_id, session_id: session_id }
            )
        }
        Event::SessionOpened(event) => {
            let (user_id, session_id) = (event.user.to_string(), event.session.to_string());
            message!(stored, "session", name, SessionOpened { user_id: user_id, session_id: session_id })
        }
        Event::SessionEnded(event) => {
            let session_id = event.session.map(|session| session.to_string()).unwrap_or_default();
            let user_id = event.user.to_string();
            message!(
                stored,
                "session",
                name,
                SessionEnded { user_id: user_id, session_id: session_id, reason: event.reason }
            )
        }
        Event::EmailVerified(event) => {
            message!(stored, "user", name, EmailVerified { user_id: event.user.to_string() })
        }
        Event::EmailChanged(event) => {
            message!(stored, "user", name, EmailChanged { user_id: event.user.to_string() })
        }
        Event::PasswordChanged(event) => {
            message!(stored, "user", name, PasswordChanged { user_id: event.user.to_string() })
        }
        Event::PasswordResetRequested(event) => {
            message!(
                stored,
                "password_reset",
                name,
                PasswordResetRequested { user_id: event.user.to_string() }
            )
        }
        Event::PasswordResetExecuted(event) => {
            message!(
                stored,
                "password_reset",
                name,
                PasswordResetExecuted { user_id: event.user.to_string() }
            )
        }
        Event::UserErased(event) => {
            message!(stored, "user", name, UserErased { user_id: event.user.to_string() })
        }
        Event::UserInvited(event) => {
            message!(stored, "user", name, UserInvited { user_id: event.user.to_string() })
        }
        Event::InvitationAccepted(event) => {
            message!(stored, "user", name, InvitationAccepted { user_id: event.user.to_string() })
        }
        Event::UserUpdated(event) => {
            message!(stored, "user", name, UserUpdated { user_id: event.user.to_string() })
        }
        Event::UserRolesChanged(event) => {
            let (user_id, roles) = (event.user.to_string(), event.roles);
            message!(stored, "user", name, UserRolesChanged { user_id: user_id, roles: roles })
        }
        Event::SessionImpersonated(event) => {
            let until = Some(timestamp(event.until));
            let (user_id, session_id) = (event.user.to_string(), event.session.to_string());
            let impersonator_id = event.impersonator.to_string();
            message!(
                stored,
                "session",
                name,
                SessionImpersonated {
                    user_id: user_id,
                    session_id: session_id,
                    impersonator_id: impersonator_id,
                    until: until
                }
            )
        }
        Event::RoleChanged(event) => message!(stored, "role", name, RoleChanged { role: event.role }),
        Event::UserAccessChanged(event) => {
            message!(stored, "user", name, UserAccessChanged { user_id: event.user.to_string() })
        }
        Event::AccessLevelChanged(event) => {
            message!(stored, "access_level", name, AccessLevelChanged { level: event.level })
        }
        Event::ApiKeyCreated(event) => {
            let (user_id, key_id) = (event.user.to_string(), event.key.to_string());
            message!(stored, "api_key", name, ApiKeyCreated { user_id: user_id, key_id: key_id })
        }
        Event::ApiKeyRevoked(event) => {
            let (user_id, key_id) = (event.user.to_string(), event.key.to_string());
            message!(stored, "api_key", name, ApiKeyRevoked { user_id: user_id, key_id: key_id })
        }
        Event::SecondFactorChanged(event) => {
            let (user_id, change) = (event.user.to_string(), event.change);
            message!(stored, "user", name, SecondFactorChanged { user_id: user_id, change: change })
        }
        Event::SecondFactorPolicyChanged(event) => {
            let required_of = event.required_of;
            message!(
                stored,
                "second_factor_policy",
                name,
                SecondFactorPolicyChanged { required_of: required_of }
            )
        }
        Event::RoutingChanged(event) => {
            message!(stored, "routing", name, RoutingChanged { what: event.what })
        }
        Event::TenantCreated(_) => message!(stored, "tenant", name, TenantCreated {}),
        Event::TenantSuspended(_) => message!(stored, "tenant", name, TenantSuspended {}),
        Event::TenantReactivated(_) => message!(stored, "tenant", name, TenantReactivated {}),
        Event::TenantDeletionScheduled(event) => {
            let purge_at = Some(timestamp(event.purge_at));
            message!(stored, "tenant", name, TenantDeletionScheduled { purge_at: purge_at })
        }
        Event::TenantPurged(_) => message!(stored, "tenant", name, TenantPurged {}),
        Event::TenantChanged(_) => message!(stored, "tenant", name, TenantChanged {}),
        Event::IdentityLinked(event) => {
            let (user_id, provider) = (event.user.to_string(), event.provider);
            message!(stored, "user", name, IdentityLinked { user_id: user_id, provider: provider })
        }
        Event::IdentityUnlinked(event) => {
            let (user_id, provider) = (event.user.to_string(), event.provider);
            message!(stored, "user", name, IdentityUnlinked { user_id: user_id, provider: provider })
        }
        Event::LetterDue(_) | Event::ResetWished(_) => Ok(Vec::new()),
    }
}

fn text(user: Option<UserId>) -> String {
    user.map(|user| user.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::samples::{a_user, one_of_each};
    use ids::{EventId, OperationId, TenantId};
    use kernel::{Metadata, Position};
    use uuid::Uuid;

    fn stored(event: &IdentityEvent) -> StoredEvent {
        StoredEvent {
            event_id: EventId::new(),
            tenant: TenantId::new(),
            kind: "user".to_owned(),
            stream: a_user().as_uuid(),
            revision: 1,
            position: Position::START,
            name: event.name().to_owned(),
            version: event.version(),
            payload: event.payload(),
            metadata: Metadata {
                actor: "anonymous".to_owned(),
                operation_id: OperationId::new(),
                correlation_id: Uuid::now_v7(),
                causation_id: None,
                traceparent: None,
                at: jiff::Timestamp::UNIX_EPOCH,
            },
        }
    }

    #[test]
    fn every_public_fact_is_published_once_under_its_own_subject() {
        let mut subjects = Vec::new();
        for event in one_of_each() {
            let stored = stored(&event);
            let published = publish(&stored).unwrap();
            if matches!(event, IdentityEvent::LetterDue(_) | IdentityEvent::ResetWished(_)) {
                assert_eq!(published, []);
                continue;
            }
            assert_eq!(published.len(), 1, "{}", event.name());
            assert_eq!(published[0].event, event.name());
            let about_nobody = matches!(
                event,
                IdentityEvent::RoleChanged(_)
                    | IdentityEvent::SourceBlocked(_)
                    | IdentityEvent::SourceLifted(_)
                    | IdentityEvent::TenantCreated(_)
                    | IdentityEvent::TenantSuspended(_)
                    | IdentityEvent::TenantReactivated(_)
                    | IdentityEvent::TenantDeletionScheduled(_)
                    | IdentityEvent::TenantPurged(_)
                    | IdentityEvent::TenantChanged(_)
                    | IdentityEvent::AccessLevelChanged(_)
                    | IdentityEvent::SecondFactorPolicyChanged(_)
                    | IdentityEvent::RoutingChanged(_)
            );
            if !about_nobody {
                assert_eq!(published[0].data["userId"], a_user().to_string());
            }
            let subject = published[0].subject();
            subjects.push(subject.replace(&stored.tenant.to_string(), "TENANT"));
        }
        let expected = [
            "evt.TENANT.identity.user.registered.v1",
            "evt.TENANT.identity.user.suspended.v1",
            "evt.TENANT.identity.user.activated.v1",
            "evt.TENANT.identity.login.failed.v1",
            "evt.TENANT.identity.login.locked.v1",
            "evt.TENANT.identity.source.blocked.v1",
            "evt.TENANT.identity.source.lifted.v1",
            "evt.TENANT.identity.session.reuse_detected.v1",
            "evt.TENANT.identity.session.opened.v1",
            "evt.TENANT.identity.session.ended.v1",
            "evt.TENANT.identity.user.email_verified.v1",
            "evt.TENANT.identity.user.email_changed.v1",
            "evt.TENANT.identity.user.password_changed.v1",
            "evt.TENANT.identity.password_reset.requested.v1",
            "evt.TENANT.identity.password_reset.executed.v1",
            "evt.TENANT.identity.user.erased.v1",
            "evt.TENANT.identity.user.invited.v1",
            "evt.TENANT.identity.user.invitation_accepted.v1",
            "evt.TENANT.identity.user.updated.v1",
            "evt.TENANT.identity.user.roles_changed.v1",
            "evt.TENANT.identity.session.impersonated.v1",
            "evt.TENANT.identity.role.changed.v1",
            "evt.TENANT.identity.user.access_changed.v1",
            "evt.TENANT.identity.access_level.changed.v1",
            "evt.TENANT.identity.api_key.created.v1",
            "evt.TENANT.identity.api_key.revoked.v1",
            "evt.TENANT.identity.user.second_factor_changed.v1",
            "evt.TENANT.identity.second_factor_policy.changed.v1",
            "evt.TENANT.identity.routing.changed.v1",
            "evt.TENANT.identity.tenant.created.v1",
            "evt.TENANT.identity.tenant.suspended.v1",
            "evt.TENANT.identity.tenant.reactivated.v1",
            "evt.TENANT.identity.tenant.deletion_scheduled.v1",
            "evt.TENANT.identity.tenant.purged.v1",
            "evt.TENANT.identity.tenant.changed.v1",
            "evt.TENANT.identity.user.identity_linked.v1",
            "evt.TENANT.identity.user.identity_unlinked.v1",
        ];
        assert_eq!(subjects, expected);
    }

    #[test]
    fn an_unknown_fact_stops_the_relay() {
        let mut event = stored(&one_of_each()[0]);
        event.name = "user.renamed".to_owned();
        assert!(publish(&event).is_err());
    }
}
