//! What identity tells others. These facts are not the state of anything here (the tables are);
//! they are written beside the change, in its transaction, so that they can be published.
//!
//! No personal data in clear: people are named by id, never by address or name, and what must be
//! remembered about a person is sealed with a key that erasing the person destroys. When you add an
//! event, also add its mapping in `outbound.rs`, its message in `events.proto` and a sample below.

use ids::{SessionId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Stream kind of facts about a user; the stream is the user.
pub const USER: &str = "user";
/// Stream kind of facts about a tenant; the stream is the tenant.
pub const TENANT: &str = "tenant";
/// Stream kind of letters and wishes that are to be worked off; the stream is the letter or wish.
pub const POST: &str = "post";
/// Stream kind of facts about a source of attacks; the stream follows from tenant and network.
pub const SOURCE: &str = "source";
/// Stream kind of facts about an address that nobody has; the stream follows from its digest.
pub const ADDRESS: &str = "address";

/// A new user exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRegistered {
    /// Who.
    pub user: UserId,
}

/// A user can no longer sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSuspended {
    /// Who.
    pub user: UserId,
    /// Why, in the words of the one who did it.
    pub reason: String,
}

/// A suspended user can sign in again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserActivated {
    /// Who.
    pub user: UserId,
}

/// A log-in with a wrong secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginFailed {
    /// Whose address it was; none when nobody has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Where it came from, when nobody has the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Where it came from, sealed with the key of the user whose address it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_origin: Option<String>,
}

/// Repeated failures have locked an address for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLocked {
    /// Whose address it was; none when nobody has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// End of the lock.
    pub until: Timestamp,
}

/// A network is not answered for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBlocked {
    /// Which.
    pub network: String,
    /// Why, a word.
    pub why: String,
    /// Until when.
    pub until: Timestamp,
}

/// A network is answered again before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceLifted {
    /// Which.
    pub network: String,
}

/// A refresh token was used twice; its family has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReuseDetected {
    /// Whose session it was.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
}

/// Somebody has logged in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionOpened {
    /// Who.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// Device and place of origin as JSON, sealed with the user's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_origin: Option<String>,
}

/// Sessions of a user have ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// Whose.
    pub user: UserId,
    /// Which; none when several have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Why, a word.
    pub reason: String,
}

/// Something happened to a user, and that is all there is to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutUser {
    /// To whom.
    pub user: UserId,
}

/// A user holds other roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRolesChanged {
    /// Who.
    pub user: UserId,
    /// The roles held now.
    pub roles: Vec<String>,
}

/// Somebody acts as another user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionImpersonated {
    /// As whom.
    pub user: UserId,
    /// In which session.
    pub session: SessionId,
    /// Who.
    pub impersonator: UserId,
    /// For how long.
    pub until: Timestamp,
}

/// A role grants something else, is new or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleChanged {
    /// Which.
    pub role: String,
}

/// An access level is linked to other plans, is new or is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLevelChanged {
    /// Which.
    pub level: String,
}

/// Something happened to an API key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutKey {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub key: Uuid,
}

/// A user has other second factors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactorChanged {
    /// Who.
    pub user: UserId,
    /// What has changed, a word.
    pub change: String,
}

/// A tenant demands second factors of others than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactorPolicyChanged {
    /// Of whom, a word.
    pub required_of: String,
}

/// Gateways must load the rules about the tenant's URLs anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingChanged {
    /// `rules`, `guest_hosts` or `origins`.
    pub what: String,
}

/// Something about a whole tenant; which one, the stream says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantNews {}

/// A tenant is to be purged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantDeletionScheduled {
    /// When.
    pub purge_at: Timestamp,
}

/// A link between a user and an account elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityLink {
    /// Who.
    pub user: UserId,
    /// Where.
    pub provider: String,
}

/// A letter is due. Private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterDue {
    /// Which.
    pub letter: Uuid,
}

/// Somebody wishes to reset the password of an address. Private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResetWished {
    /// The wish.
    pub wish: Uuid,
}

kernel::events! {
    /// What identity tells others.
    pub enum IdentityEvent {
        /// A new user exists.
        "user.registered" 1 => UserRegistered(UserRegistered),
        /// A user can no longer sign in.
        "user.suspended" 1 => UserSuspended(UserSuspended),
        /// A suspended user can sign in again.
        "user.activated" 1 => UserActivated(UserActivated),
        /// A log-in with a wrong secret.
        "login.failed" 1 => LoginFailed(LoginFailed),
        /// Repeated failures have locked an address.
        "login.locked" 1 => LoginLocked(LoginLocked),
        /// A source of attacks was blocked.
        "source.blocked" 1 => SourceBlocked(SourceBlocked),
        /// A block was ended before its time.
        "source.lifted" 1 => SourceLifted(SourceLifted),
        /// A refresh token was used twice.
        "session.reuse_detected" 1 => SessionReuseDetected(SessionReuseDetected),
        /// Somebody has logged in.
        "session.opened" 1 => SessionOpened(SessionOpened),
        /// Sessions have ended.
        "session.ended" 1 => SessionEnded(SessionEnded),
        /// A user has proven the address.
        "user.email_verified" 1 => EmailVerified(AboutUser),
        /// A user has another address.
        "user.email_changed" 1 => EmailChanged(AboutUser),
        /// A user has set another password.
        "user.password_changed" 1 => PasswordChanged(AboutUser),
        /// A letter to reset a password is on its way.
        "password_reset.requested" 1 => PasswordResetRequested(AboutUser),
        /// A password was reset.
        "password_reset.executed" 1 => PasswordResetExecuted(AboutUser),
        /// A user was erased.
        "user.erased" 1 => UserErased(AboutUser),
        /// A user was invited.
        "user.invited" 1 => UserInvited(AboutUser),
        /// An invited user can sign in.
        "user.invitation_accepted" 1 => InvitationAccepted(AboutUser),
        /// Name or details of a user have changed.
        "user.updated" 1 => UserUpdated(AboutUser),
        /// A user holds other roles.
        "user.roles_changed" 1 => UserRolesChanged(UserRolesChanged),
        /// Somebody acts as another user.
        "session.impersonated" 1 => SessionImpersonated(SessionImpersonated),
        /// A role grants something else.
        "role.changed" 1 => RoleChanged(RoleChanged),
        /// A user holds other access levels.
        "user.access_changed" 1 => UserAccessChanged(AboutUser),
        /// An access level means something else.
        "access_level.changed" 1 => AccessLevelChanged(AccessLevelChanged),
        /// An API key was made.
        "api_key.created" 1 => ApiKeyCreated(AboutKey),
        /// An API key was revoked.
        "api_key.revoked" 1 => ApiKeyRevoked(AboutKey),
        /// A user has other second factors.
        "user.second_factor_changed" 1 => SecondFactorChanged(SecondFactorChanged),
        /// A tenant demands second factors of others.
        "second_factor_policy.changed" 1 => SecondFactorPolicyChanged(SecondFactorPolicyChanged),
        /// Rules about the tenant's URLs have changed.
        "routing.changed" 1 => RoutingChanged(RoutingChanged),
        /// A new tenant exists.
        "tenant.created" 1 => TenantCreated(TenantNews),
        /// A tenant was stopped.
        "tenant.suspended" 1 => TenantSuspended(TenantNews),
        /// A tenant goes on.
        "tenant.reactivated" 1 => TenantReactivated(TenantNews),
        /// A tenant was stopped and will be purged.
        "tenant.deletion_scheduled" 1 => TenantDeletionScheduled(TenantDeletionScheduled),
        /// What was known about a tenant's people is gone.
        "tenant.purged" 1 => TenantPurged(TenantNews),
        /// Something about a tenant is set otherwise.
        "tenant.changed" 1 => TenantChanged(TenantNews),
        /// A user can log in with an account elsewhere.
        "user.identity_linked" 1 => IdentityLinked(IdentityLink),
        /// A user can no longer log in with it.
        "user.identity_unlinked" 1 => IdentityUnlinked(IdentityLink),
        /// A letter is due.
        "letter.due" 1 => LetterDue(LetterDue),
        /// Somebody wishes to reset a password.
        "password_reset.wished" 1 => ResetWished(ResetWished),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    pub(crate) fn a_user() -> UserId {
        UserId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
    }

    pub(crate) fn one_of_each() -> Vec<IdentityEvent> {
        let user = a_user();
        let session = SessionId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));
        let post = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0003);
        let about = AboutUser { user };
        let sealed_origin = Some("c2VhbGVk".to_owned());
        let until = Timestamp::from_second(1_800_000_060).unwrap();
        vec![
            IdentityEvent::UserRegistered(UserRegistered { user }),
            IdentityEvent::UserSuspended(UserSuspended { user, reason: "chargeback".to_owned() }),
            IdentityEvent::UserActivated(UserActivated { user }),
            IdentityEvent::LoginFailed(LoginFailed {
                user: Some(user),
                origin: Some("192.0.2.1".to_owned()),
                sealed_origin: None,
            }),
            IdentityEvent::LoginLocked(LoginLocked { user: Some(user), until }),
            IdentityEvent::SourceBlocked(SourceBlocked {
                network: "203.0.113.7/32".to_owned(),
                why: "many_accounts".to_owned(),
                until,
            }),
            IdentityEvent::SourceLifted(SourceLifted { network: "203.0.113.7/32".to_owned() }),
            IdentityEvent::SessionReuseDetected(SessionReuseDetected { user, session }),
            IdentityEvent::SessionOpened(SessionOpened { user, session, sealed_origin }),
            IdentityEvent::SessionEnded(SessionEnded {
                user,
                session: Some(session),
                reason: "revoked".to_owned(),
            }),
            IdentityEvent::EmailVerified(about.clone()),
            IdentityEvent::EmailChanged(about.clone()),
            IdentityEvent::PasswordChanged(about.clone()),
            IdentityEvent::PasswordResetRequested(about.clone()),
            IdentityEvent::PasswordResetExecuted(about.clone()),
            IdentityEvent::UserErased(about.clone()),
            IdentityEvent::UserInvited(about.clone()),
            IdentityEvent::InvitationAccepted(about.clone()),
            IdentityEvent::UserUpdated(about.clone()),
            IdentityEvent::UserRolesChanged(UserRolesChanged { user, roles: vec!["support".to_owned()] }),
            IdentityEvent::SessionImpersonated(SessionImpersonated {
                user,
                session,
                impersonator: UserId::from_uuid(post),
                until,
            }),
            IdentityEvent::RoleChanged(RoleChanged { role: "clerk".to_owned() }),
            IdentityEvent::UserAccessChanged(about),
            IdentityEvent::AccessLevelChanged(AccessLevelChanged { level: "gold".to_owned() }),
            IdentityEvent::ApiKeyCreated(AboutKey { user, key: post }),
            IdentityEvent::ApiKeyRevoked(AboutKey { user, key: post }),
            IdentityEvent::SecondFactorChanged(SecondFactorChanged {
                user,
                change: "totp_enabled".to_owned(),
            }),
            IdentityEvent::SecondFactorPolicyChanged(SecondFactorPolicyChanged {
                required_of: "staff".to_owned(),
            }),
            IdentityEvent::RoutingChanged(RoutingChanged { what: "rules".to_owned() }),
            IdentityEvent::TenantCreated(TenantNews {}),
            IdentityEvent::TenantSuspended(TenantNews {}),
            IdentityEvent::TenantReactivated(TenantNews {}),
            IdentityEvent::TenantDeletionScheduled(TenantDeletionScheduled { purge_at: until }),
            IdentityEvent::TenantPurged(TenantNews {}),
            IdentityEvent::TenantChanged(TenantNews {}),
            IdentityEvent::IdentityLinked(IdentityLink { user, provider: "example".to_owned() }),
            IdentityEvent::IdentityUnlinked(IdentityLink { user, provider: "example".to_owned() }),
            IdentityEvent::LetterDue(LetterDue { letter: post }),
            IdentityEvent::ResetWished(ResetWished { wish: post }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::DomainEvent;

    #[test]
    fn the_stored_form_is_golden() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
        kernel::testing::golden::<IdentityEvent>(folder, &samples::one_of_each());
    }

    #[test]
    fn an_unknown_address_leaves_no_user_in_the_event() {
        let event = IdentityEvent::LoginFailed(LoginFailed { user: None, origin: None, sealed_origin: None });
        assert_eq!(event.payload(), serde_json::json!({}));
    }
}
