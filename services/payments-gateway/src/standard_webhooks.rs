//! Verification of Standard Webhooks (<https://www.standardwebhooks.com>): HMAC-SHA256 over
//! `id.timestamp.body`, several signatures allowed during a rotation, five minutes of tolerance.
//!
//! The signature is checked before the timestamp is judged and before a byte of the body is read:
//! who cannot sign learns nothing about us.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fault::Fault;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use crate::provider::{RawWebhook, WebhookRefusal};

/// How far a timestamp may be from now, either way.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// What a secret begins with in text.
const PREFIX: &str = "whsec_";
/// Shortest key the specification allows.
const KEY_BYTES_MIN: usize = 24;

/// The key that a sender signs with.
#[derive(Clone)]
pub struct WebhookKey(Vec<u8>);

impl WebhookKey {
    /// A key as it is.
    #[must_use]
    pub fn from_bytes(key: impl Into<Vec<u8>>) -> Self {
        Self(key.into())
    }

    /// A key from its text, `whsec_` and base64.
    ///
    /// # Errors
    /// Invalid input when it is something else or too short.
    pub fn from_text(text: &str) -> fault::Result<Self> {
        let key = text.strip_prefix(PREFIX).and_then(|encoded| STANDARD.decode(encoded).ok());
        key.filter(|key| key.len() >= KEY_BYTES_MIN).map(Self).ok_or_else(|| {
            let message = "A webhook secret is whsec_ and at least 24 bytes in base64.";
            Fault::invalid("/webhook_secret", "malformed", message)
        })
    }

    /// Verifies a webhook and answers its id.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify<'a>(&self, webhook: &'a RawWebhook, now: Timestamp) -> Result<&'a str, WebhookRefusal> {
        let header =
            |name: &str| webhook.headers.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let signatures = header("webhook-signature").ok_or(WebhookRefusal::SignatureMissing)?;
        let id = header("webhook-id").ok_or(WebhookRefusal::SignatureMissing)?;
        let timestamp = header("webhook-timestamp").ok_or(WebhookRefusal::SignatureMissing)?;
        if !signatures.split_ascii_whitespace().any(|one| self.signed(one, id, timestamp, &webhook.body)) {
            return Err(WebhookRefusal::SignatureInvalid);
        }
        fresh(timestamp, now)?;
        Ok(id)
    }

    fn signed(&self, signature: &str, id: &str, timestamp: &str, body: &[u8]) -> bool {
        let claimed = signature.strip_prefix("v1,").and_then(|encoded| STANDARD.decode(encoded).ok());
        let (Some(claimed), Ok(mut mac)) = (claimed, Hmac::<Sha256>::new_from_slice(&self.0)) else {
            return false;
        };
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.verify_slice(&claimed).is_ok() // compares in constant time
    }
}

fn fresh(timestamp: &str, now: Timestamp) -> Result<(), WebhookRefusal> {
    let signed_at = timestamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let age = signed_at.map(|signed_at| now.duration_since(signed_at).abs());
    match age {
        Some(age) if age <= TOLERANCE => Ok(()),
        _ => Err(WebhookRefusal::TimestampStale),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const SIGNED_AT: i64 = 1_614_265_330;

    fn webhook(signature: &str) -> RawWebhook {
        let headers = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signature),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        RawWebhook { headers, body: br#"{"test": 2432232314}"#.to_vec() }
    }

    fn verify(webhook: &RawWebhook, seconds_later: i64) -> Result<&str, WebhookRefusal> {
        let now = Timestamp::from_second(SIGNED_AT + seconds_later).unwrap();
        WebhookKey::from_text(SECRET).unwrap().verify(webhook, now)
    }

    #[test]
    fn the_example_of_the_specification_is_genuine() {
        assert_eq!(verify(&webhook(SIGNATURE), 0), Ok("msg_p5jXN8AQM9LWM0D4loKWxJek"));
        let rotating = format!("v1,AAAA v2,xx {SIGNATURE}");
        assert!(verify(&webhook(&rotating), 0).is_ok(), "one of several is enough");
    }

    #[test]
    fn five_minutes_either_way() {
        for (seconds, believed) in [(300, true), (-300, true), (301, false), (-301, false)] {
            let answer = verify(&webhook(SIGNATURE), seconds).err();
            assert_eq!(answer, (!believed).then_some(WebhookRefusal::TimestampStale), "{seconds}");
        }
    }

    #[test]
    fn whatever_is_missing_or_changed_is_not_believed() {
        for wrong in ["v1,AAAA", "garbage", "v1,", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="] {
            assert_eq!(verify(&webhook(wrong), 0), Err(WebhookRefusal::SignatureInvalid), "{wrong}");
        }
        for header in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            let mut without = webhook(SIGNATURE);
            without.headers.remove(header);
            assert_eq!(verify(&without, 0), Err(WebhookRefusal::SignatureMissing), "{header}");
        }
        let mut tampered = webhook(SIGNATURE);
        tampered.body[10] ^= 1;
        assert_eq!(verify(&tampered, 0), Err(WebhookRefusal::SignatureInvalid));
        let mut moved = webhook(SIGNATURE);
        moved.headers.insert("webhook-timestamp".to_owned(), "1614265331".to_owned());
        assert_eq!(verify(&moved, 0), Err(WebhookRefusal::SignatureInvalid));
    }

    #[test]
    fn a_stale_forgery_is_a_forgery() {
        assert_eq!(verify(&webhook("v1,AAAA"), 10_000), Err(WebhookRefusal::SignatureInvalid));
    }

    #[test]
    fn a_short_or_malformed_secret_is_refused() {
        for text in ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ="] {
            assert!(WebhookKey::from_text(text).is_err(), "{text}");
        }
    }
}
