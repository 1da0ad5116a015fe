//! Which webhooks follow from a change, and when they are due.

use ids::WebhookId;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::behaviour::Manner;
use crate::payment::{Payment, Status};

/// How late a delayed webhook is.
pub const DELAY: SignedDuration = SignedDuration::from_secs(5);
/// How far an overtaken report stays behind the one that overtook it.
pub const OVERTAKEN_BY: SignedDuration = SignedDuration::from_millis(500);

/// A webhook to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Identity of this sending.
    pub delivery_id: WebhookId,
    /// Identity of the event; copies share it.
    pub event_id: String,
    /// The body, byte for byte as it is signed.
    pub body: String,
    /// When to send it.
    pub due_at: Timestamp,
}

/// The webhooks that tell the merchant about `event`.
#[must_use]
pub fn webhooks(manner: Manner, event: &'static str, payment: &Payment, now: Timestamp) -> Vec<Outgoing> {
    let news = outgoing(event, payment, now, now);
    match manner {
        Manner::Prompt => vec![news],
        Manner::Delayed => vec![Outgoing { due_at: later(now, DELAY), ..news }],
        Manner::Duplicated => {
            let copy = || Outgoing { delivery_id: WebhookId::new(), ..news.clone() };
            vec![copy(), copy(), news]
        }
        Manner::Reordered => {
            let before = Payment { status: Status::Processing, failure_code: None, ..payment.clone() };
            vec![news, outgoing(Status::Processing.event(), &before, now, later(now, OVERTAKEN_BY))]
        }
    }
}

fn outgoing(event: &'static str, payment: &Payment, occurred_at: Timestamp, due_at: Timestamp) -> Outgoing {
    let event_id = format!("evt_{}", WebhookId::new().as_uuid().simple());
    let body =
        json!({"id": event_id, "type": event, "occurred_at": occurred_at, "data": payment}).to_string();
    Outgoing { delivery_id: WebhookId::new(), event_id, body, due_at }
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(now)
}
