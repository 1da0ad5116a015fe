//! What notify tells others, written beside the change in its transaction, to be published.
//!
//! No personal data: people are named by id. When you add an event, also add its mapping in
//! `outbound.rs`, its message in `events.proto` and a sample below.

use ids::{MailId, NotificationId, UserId, WebhookId};
use serde::{Deserialize, Serialize};

/// Stream kind of facts about a mail; the stream is the mail.
pub(crate) const MAIL: &str = "mail";

/// A mail was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailFailed {
    /// Which.
    pub mail: MailId,
    /// What it was to tell.
    pub template: String,
    /// Whom, if the recipient has an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// `bounced`, `refused` or `given_up`; empty in facts from before it was told.
    #[serde(default)]
    pub reason: String,
}

/// Stream kind of facts about a webhook endpoint; the stream is the endpoint.
pub(crate) const ENDPOINT: &str = "webhook_endpoint";

/// A webhook endpoint was given up: it has failed for too long, or says that it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointDisabled {
    /// Which.
    pub endpoint: WebhookId,
    /// Where it is.
    pub url: String,
    /// `failing` or `gone`.
    pub reason: String,
}

/// Stream kind of facts about a notification; the stream is the notification.
pub(crate) const NOTIFICATION: &str = "notification";

/// A user was told something in the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationCreated {
    /// Which.
    pub notification: NotificationId,
    /// Whom.
    pub user: UserId,
    /// What.
    pub template: String,
}

kernel::events! {
    /// What notify tells others.
    pub enum NotifyEvent {
        /// A mail was given up.
        "mail.failed" 1 => MailFailed(MailFailed),
        /// A webhook endpoint was given up.
        "webhook_endpoint.disabled" 1 => EndpointDisabled(EndpointDisabled),
        /// A user was told something in the application.
        "notification.created" 1 => NotificationCreated(NotificationCreated),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use uuid::Uuid;

    fn id(last: u128) -> Uuid {
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + last)
    }

    pub(crate) fn one_of_each() -> Vec<NotifyEvent> {
        let (mail, user) = (MailId::from_uuid(id(1)), Some(UserId::from_uuid(id(2))));
        let notification = NotificationCreated {
            notification: NotificationId::from_uuid(id(4)),
            user: UserId::from_uuid(id(2)),
            template: "invoice.paid".to_owned(),
        };
        vec![
            NotifyEvent::NotificationCreated(notification),
            NotifyEvent::MailFailed(MailFailed {
                mail,
                template: "invoice.paid".to_owned(),
                user,
                reason: "bounced".to_owned(),
            }),
            NotifyEvent::EndpointDisabled(EndpointDisabled {
                endpoint: WebhookId::from_uuid(id(3)),
                url: "https://hooks.shop.example/vbwd".to_owned(),
                reason: "failing".to_owned(),
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_form_is_golden() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
        kernel::testing::golden::<NotifyEvent>(folder, &samples::one_of_each());
    }
}
