//! Secrets and signatures of the Standard Webhooks specification: HMAC-SHA256 over
//! `<id>.<timestamp>.<body>`, under a secret written as `whsec_` and base64.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fault::Fault;
use jiff::Timestamp;

const PREFIX: &str = "whsec_";
const LENGTH: usize = 32;

/// A secret, in clear only while it is used.
#[derive(Clone)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// A new one.
    pub(crate) fn random() -> fault::Result<Self> {
        let mut bytes = vec![0; LENGTH];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Fault::internal("no randomness"))?;
        Ok(Self(bytes))
    }

    pub(crate) const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As receivers write it into their configuration.
    pub(crate) fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    fn sign(&self, content: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, content)))
    }
}

/// The header `webhook-signature`: one signature per secret, so that receivers can change over.
pub(crate) fn signatures(secrets: &[Secret], id: &str, at: Timestamp, body: &str) -> String {
    let content = format!("{id}.{}.{body}", at.as_second());
    let each: Vec<_> = secrets.iter().map(|secret| secret.sign(content.as_bytes())).collect();
    each.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let secret = Secret::from_bytes(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let found = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, "{\"test\": 2432232314}");
        assert_eq!(found, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_new_secret_is_long_and_unlike_the_last() {
        let [one, two] = [Secret::random().unwrap(), Secret::random().unwrap()];
        assert!(one.text().starts_with("whsec_") && one.bytes().len() == 32);
        assert_ne!(one.text(), two.text());
    }
}
