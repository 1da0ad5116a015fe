//! What of the stored facts is published, and as which message. Every event of [`IdentityEvent`] is;
//! the match is exhaustive, so a new one must be decided on here.

use bus::Outbound;
use contracts::vbwd::identity::v1 as proto;
use eventstore::unknown_event;
use ids::UserId;
use kernel::{DomainEvent, StoredEvent};

use crate::NAME;
use crate::events::IdentityEvent;
use crate::grpc::timestamp;

/// The published form of a stored fact.
///
/// # Errors
/// A fact that this program cannot read.
pub fn publish(stored: &StoredEvent) -> fault::Result<Vec<Outbound>> {
    let event = stored.decode::<IdentityEvent>().map_err(unknown_event)?;
    let at = Some(timestamp(stored.metadata.at));
    let name = event.name();
    let published = match event {
        IdentityEvent::UserRegistered(event) => {
            let message = proto::UserRegistered { user_id: event.user.to_string(), at };
            Outbound::of(stored, NAME, "user", name, ("vbwd.identity.v1.UserRegistered", &message))
        }
        IdentityEvent::UserSuspended(event) => {
            let (user_id, reason) = (event.user.to_string(), event.reason);
            let message = proto::UserSuspended { user_id, reason, at };
            Outbound::of(stored, NAME, "user", name, ("vbwd.identity.v1.UserSuspended", &message))
        }
        IdentityEvent::UserActivated(event) => {
            let message = proto::UserActivated { user_id: event.user.to_string(), at };
            Outbound::of(stored, NAME, "user", name, ("vbwd.identity.v1.UserActivated", &message))
        }
        IdentityEvent::LoginFailed(event) => {
            let origin_address = event.origin.unwrap_or_default();
            let message = proto::LoginFailed { user_id: text(event.user), origin_address, at };
            Outbound::of(stored, NAME, "login", name, ("vbwd.identity.v1.LoginFailed", &message))
        }
        IdentityEvent::LoginLocked(event) => {
            let until = Some(timestamp(event.until));
            let message = proto::LoginLocked { user_id: text(event.user), until, at };
            Outbound::of(stored, NAME, "login", name, ("vbwd.identity.v1.LoginLocked", &message))
        }
        IdentityEvent::SessionReuseDetected(event) => {
            let (user_id, session_id) = (event.user.to_string(), event.session.to_string());
            let message = proto::SessionReuseDetected { user_id, session_id, at };
            let schema = "vbwd.identity.v1.SessionReuseDetected";
            Outbound::of(stored, NAME, "session", name, (schema, &message))
        }
    };
    Ok(vec![published?])
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
    fn every_fact_is_published_once_under_its_own_subject() {
        let mut subjects = Vec::new();
        for event in one_of_each() {
            let stored = stored(&event);
            let published = publish(&stored).unwrap();
            assert_eq!(published.len(), 1, "{}", event.name());
            assert_eq!(published[0].event, event.name());
            assert_eq!(published[0].data["userId"], a_user().to_string());
            let subject = published[0].subject();
            subjects.push(subject.replace(&stored.tenant.to_string(), "TENANT"));
        }
        let expected = [
            "evt.TENANT.identity.user.registered.v1",
            "evt.TENANT.identity.user.suspended.v1",
            "evt.TENANT.identity.user.activated.v1",
            "evt.TENANT.identity.login.failed.v1",
            "evt.TENANT.identity.login.locked.v1",
            "evt.TENANT.identity.session.reuse_detected.v1",
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
