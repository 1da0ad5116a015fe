//! Events: their bodies, their signatures, and sending them until they are taken.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::{Clock as _, SystemClock};
use serde_json::{Value, json};
use sha2::Sha256;

/// The version that events are written in.
const API_VERSION: &str = "2024-06-20";

/// The header `Stripe-Signature`.
#[must_use]
pub fn sign(secret: &str, timestamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.{body}").as_bytes());
    format!("t={timestamp},v1={},v0=00", hex::encode(mac.finalize().into_bytes()))
}

/// An event about an object.
pub fn body(id: &str, kind: &str, object: &Value, created: i64) -> Value {
    json!({
        "id": id, "object": "event", "api_version": API_VERSION, "created": created, "livemode": false,
        "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": kind,
        "data": {"object": object},
    })
}

/// Sends an event until it is taken.
pub async fn send(client: &reqwest::Client, url: &str, kind: &str, object: &Value) {
    let id = format!("evt_{}", uuid::Uuid::now_v7().simple());
    for attempt in 0..40_u32 {
        let now = SystemClock.wall().as_second();
        let body = body(&id, kind, object, now).to_string();
        let sent = client.post(url).header("stripe-signature", sign(super::WEBHOOK_SECRET, now, &body));
        let sent = sent.header("content-type", "application/json").body(body).send().await;
        if sent.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(u64::from(25 * (attempt + 1)))).await;
    }
}
