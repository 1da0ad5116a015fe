//! Sealing at rest: the variables of waiting mails, the secrets of webhook endpoints. The key
//! follows from the fleet secret and is related to no other key of the fleet.

use auth::derive_secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use fault::Fault;
use secrecy::SecretString;

const NONCE_LENGTH: usize = 12;

/// The keys of this service.
pub(crate) struct Secrets {
    sealing: RandomizedNonceKey,
}

impl Secrets {
    /// The keys that follow from the fleet secret.
    pub(crate) fn derive(fleet: &SecretString) -> fault::Result<Self> {
        let key = derive_secret(fleet, "vbwd notify sealing v1")?;
        let sealing =
            RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| Fault::internal("sealing key"))?;
        Ok(Self { sealing })
    }

    /// Seals `plain` for `context`; it can be opened with the same context only.
    pub(crate) fn seal(&self, context: &str, plain: &[u8]) -> fault::Result<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.sealing.seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| Fault::internal("sealing failed"))?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// Opens what was sealed for `context`.
    pub(crate) fn open(&self, context: &str, sealed: &[u8]) -> fault::Result<Vec<u8>> {
        let broken = || Fault::internal("something sealed cannot be opened: was the fleet secret changed?");
        let (nonce, body) = sealed.split_at_checked(NONCE_LENGTH).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut body = body.to_vec();
        let plain = self.sealing.open_in_place(nonce, Aad::from(context.as_bytes()), &mut body);
        Ok(plain.map_err(|_| broken())?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(fleet: &str) -> Secrets {
        Secrets::derive(&SecretString::from(fleet.to_owned())).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_context_only() {
        let ours = secrets("a fleet secret of more than thirty-two characters");
        let sealed = ours.seal("mail:1", b"a link").unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"a link"));
        assert_eq!(ours.open("mail:1", &sealed).unwrap(), b"a link");
        assert!(ours.open("mail:2", &sealed).is_err());
        assert!(ours.open("mail:1", b"short").is_err());
        assert!(secrets("another fleet secret of thirty-two characters").open("mail:1", &sealed).is_err());
    }
}
