//! What identity tells others. These facts are not the state of anything here (the tables are);
//! they are written beside the change, in its transaction, so that they can be published.
//!
//! No personal data: people are named by id, never by address or name. When you add an event, also
//! add its mapping in `outbound.rs`, its message in `events.proto` and a sample below.

use ids::{SessionId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Stream kind of facts about a user; the stream is the user.
pub const USER: &str = "user";
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
    /// Where it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
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

/// A refresh token was used twice; its family has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReuseDetected {
    /// Whose session it was.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
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
        /// A refresh token was used twice.
        "session.reuse_detected" 1 => SessionReuseDetected(SessionReuseDetected),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use uuid::Uuid;

    pub(crate) fn a_user() -> UserId {
        UserId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001))
    }

    pub(crate) fn one_of_each() -> [IdentityEvent; 6] {
        let user = a_user();
        let session = SessionId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0002));
        let until = Timestamp::from_second(1_800_000_060).unwrap();
        [
            IdentityEvent::UserRegistered(UserRegistered { user }),
            IdentityEvent::UserSuspended(UserSuspended { user, reason: "chargeback".to_owned() }),
            IdentityEvent::UserActivated(UserActivated { user }),
            IdentityEvent::LoginFailed(LoginFailed {
                user: Some(user),
                origin: Some("192.0.2.1".to_owned()),
            }),
            IdentityEvent::LoginLocked(LoginLocked { user: Some(user), until }),
            IdentityEvent::SessionReuseDetected(SessionReuseDetected { user, session }),
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
        let event = IdentityEvent::LoginFailed(LoginFailed { user: None, origin: None });
        assert_eq!(event.payload(), serde_json::json!({}));
    }
}
