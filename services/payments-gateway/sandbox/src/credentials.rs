//! The merchant's API key and the secret that webhooks are signed with.
//!
//! Where nothing is configured both follow from the fleet secret, so that the sandbox and
//! payments-gateway agree without configuration. payments-gateway derives the same values from the
//! same two purposes; a test over there keeps the two sides together.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fault::Fault;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::Config;

/// Purpose of the derived API key.
pub const API_KEY_PURPOSE: &str = "payments.sandbox.api_key";
/// Purpose of the derived webhook secret.
pub const WEBHOOK_SECRET_PURPOSE: &str = "payments.sandbox.webhook_secret";
/// What a webhook secret begins with in text.
const PREFIX: &str = "whsec_";

/// What proves the merchant to us and us to the merchant.
#[derive(Clone)]
pub struct Credentials {
    api_key: SecretString,
    webhook_key: Vec<u8>,
}

impl Credentials {
    /// The configured credentials, or those that follow from the fleet secret.
    ///
    /// # Errors
    /// Invalid input when the webhook secret is not `whsec_` and base64.
    pub fn new(config: &Config, fleet_secret: &SecretString) -> fault::Result<Self> {
        let api_key = if config.api_key.is_empty() {
            SecretString::from(format!(
                "sk_{}",
                hex::encode(auth::derive_secret(fleet_secret, API_KEY_PURPOSE)?)
            ))
        } else {
            config.api_key.expose().clone()
        };
        let webhook_key = if config.webhook_secret.is_empty() {
            auth::derive_secret(fleet_secret, WEBHOOK_SECRET_PURPOSE)?.to_vec()
        } else {
            webhook_key(config.webhook_secret.expose().expose_secret())?
        };
        Ok(Self { api_key, webhook_key })
    }

    /// Whether a request carries the merchant's key; takes the same time for every wrong key.
    #[must_use]
    pub fn admits(&self, authorization: Option<&str>) -> bool {
        let presented = authorization.and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
        presented.as_bytes().ct_eq(self.api_key.expose_secret().as_bytes()).into()
    }

    /// The merchant's key.
    #[must_use]
    pub const fn api_key(&self) -> &SecretString {
        &self.api_key
    }

    /// The header `webhook-signature` of Standard Webhooks: HMAC-SHA256 over id, timestamp, body.
    ///
    /// # Errors
    /// Never in practice: HMAC takes keys of any length.
    pub fn sign(&self, webhook_id: &str, timestamp: i64, body: &str) -> fault::Result<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.webhook_key).map_err(Fault::internal)?;
        mac.update(format!("{webhook_id}.{timestamp}.{body}").as_bytes());
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

fn webhook_key(text: &str) -> fault::Result<Vec<u8>> {
    let encoded = text.strip_prefix(PREFIX);
    encoded.and_then(|encoded| STANDARD.decode(encoded).ok()).filter(|key| key.len() >= 24).ok_or_else(|| {
        Fault::invalid(
            "/sandbox/webhook_secret",
            "malformed",
            "The webhook secret is not whsec_ and 24 bytes or more in base64.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::config::Secret;

    fn fleet() -> SecretString {
        SecretString::from("a fleet secret of sufficient length")
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn signatures_follow_standard_webhooks() {
        let webhook_secret = Secret::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let credentials =
            Credentials::new(&Config { webhook_secret, ..Config::default() }, &fleet()).unwrap();
        let signature = credentials
            .sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#)
            .unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn only_the_whole_key_is_admitted() {
        let credentials = Credentials::new(&Config::default(), &fleet()).unwrap();
        let right = format!("Bearer {}", credentials.api_key().expose_secret());
        assert!(credentials.admits(Some(&right)));
        for wrong in [None, Some(""), Some("Bearer "), Some(&right[..right.len() - 1]), Some("Basic x")] {
            assert!(!credentials.admits(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_malformed_webhook_secret_is_refused() {
        for text in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%", "whsec_c2hvcnQ="] {
            let config = Config { webhook_secret: Secret::from(text), ..Config::default() };
            assert!(Credentials::new(&config, &fleet()).is_err(), "{text}");
        }
    }
}
