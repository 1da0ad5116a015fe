//! Verification of `Stripe-Signature`: `t=…,v1=…`, HMAC-SHA256 in hex over `t.body`.
//!
//! Several `v1` may be there (a rotation over there) and several secrets here (a rotation over here):
//! one pair that fits is enough. Other schemes (`v0`) are ignored. The signature is checked before the
//! timestamp is judged and before a byte of the body is read.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::provider::{RawWebhook, WebhookRefusal};
use crate::standard_webhooks::TOLERANCE;

/// Verifies a webhook.
///
/// # Errors
/// Why it is not believed.
pub fn verify(secrets: &[SecretString], webhook: &RawWebhook, now: Timestamp) -> Result<(), WebhookRefusal> {
    let header = webhook.headers.get("stripe-signature").filter(|text| !text.is_empty());
    let header = header.ok_or(WebhookRefusal::SignatureMissing)?;
    let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
    let timestamp = fields().find(|(name, _)| *name == "t").map(|(_, value)| value);
    let timestamp = timestamp.ok_or(WebhookRefusal::SignatureInvalid)?;
    let mut claimed =
        fields().filter(|(name, _)| *name == "v1").filter_map(|(_, value)| hex::decode(value).ok());
    let fits =
        |claimed: &Vec<u8>| secrets.iter().any(|secret| signed(secret, timestamp, &webhook.body, claimed));
    if !claimed.any(|claimed| fits(&claimed)) {
        return Err(WebhookRefusal::SignatureInvalid);
    }
    let signed_at = timestamp.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    match signed_at.map(|signed_at| now.duration_since(signed_at).abs()) {
        Some(age) if age <= TOLERANCE => Ok(()),
        _ => Err(WebhookRefusal::TimestampStale),
    }
}

fn signed(secret: &SecretString, timestamp: &str, body: &[u8], claimed: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
    for part in [timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.verify_slice(claimed).is_ok() // compares in constant time
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"id":"evt_1"}"#;
    const AT: i64 = 1_700_000_000;
    /// `stripe.WebhookSignature` of the official SDK over `1700000000.{"id":"evt_1"}` with `whsec_test`.
    const SIGNATURE: &str = "c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925";

    fn check(header: &str, seconds_later: i64) -> Result<(), WebhookRefusal> {
        let headers = [("stripe-signature".to_owned(), header.to_owned())].into();
        let webhook = RawWebhook { headers, body: BODY.as_bytes().to_vec() };
        let secrets = ["whsec_old", "whsec_test"].map(|text| SecretString::from(text.to_owned()));
        verify(&secrets, &webhook, Timestamp::from_second(AT + seconds_later).unwrap())
    }

    #[test]
    fn what_the_official_signer_signs_is_genuine_among_others_too() {
        assert_eq!(check(&format!("t={AT},v1={SIGNATURE}"), 0), Ok(()));
        assert_eq!(check(&format!("t={AT},v1={},v1={SIGNATURE},v0=00", "00".repeat(32)), 0), Ok(()));
    }

    #[test]
    fn five_minutes_either_way() {
        for (seconds, believed) in [(300, true), (-300, true), (301, false), (-301, false)] {
            let answer = check(&format!("t={AT},v1={SIGNATURE}"), seconds);
            assert_eq!(answer.is_ok(), believed, "{seconds}");
        }
    }

    #[test]
    fn whatever_is_missing_or_changed_is_not_believed() {
        assert_eq!(check("", 0), Err(WebhookRefusal::SignatureMissing));
        let moved = format!("t={},v1={SIGNATURE}", AT + 1);
        let old_scheme = format!("t={AT},v0={SIGNATURE}");
        let without_time = format!("v1={SIGNATURE}");
        for wrong in ["garbage", "t=1,v1=", "t=x,v1=zz", &moved, &old_scheme, &without_time] {
            assert_eq!(check(wrong, 0), Err(WebhookRefusal::SignatureInvalid), "{wrong}");
        }
        let stale_forgery = format!("t={AT},v1={}", "00".repeat(32));
        assert_eq!(check(&stale_forgery, 10_000), Err(WebhookRefusal::SignatureInvalid));
    }
}
