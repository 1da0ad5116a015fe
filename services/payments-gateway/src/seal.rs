//! Sealing the secrets of providers' accounts at rest: AES-256-GCM under a key that follows from the
//! fleet secret, for one tenant and provider only. What was sealed elsewhere does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use fault::Fault;
use ids::TenantId;
use secrecy::SecretString;

const PURPOSE: &str = "vbwd payments provider secrets sealing v1";
const NONCE_LENGTH: usize = 12;

/// The key.
pub(crate) struct Seal(RandomizedNonceKey);

impl Seal {
    /// The key that follows from the fleet secret.
    pub(crate) fn derive(fleet: &SecretString) -> fault::Result<Self> {
        let key = auth::derive_secret(fleet, PURPOSE)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| Fault::internal("sealing key"))?;
        Ok(Self(key))
    }

    /// Seals the secrets of an account.
    pub(crate) fn seal(&self, account: (TenantId, &str), plain: &[u8]) -> fault::Result<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(context(account).as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| Fault::internal("sealing failed"))?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// Opens the secrets of an account.
    pub(crate) fn open(&self, account: (TenantId, &str), sealed: &[u8]) -> fault::Result<Vec<u8>> {
        let refused =
            || Fault::internal("the secrets of a provider cannot be opened; was the fleet secret changed?");
        let (nonce, rest) = sealed.split_at_checked(NONCE_LENGTH).ok_or_else(refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
        let mut rest = rest.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(context(account).as_bytes()), &mut rest);
        plain.map(|plain| plain.to_vec()).map_err(|_| refused())
    }
}

fn context((tenant, provider): (TenantId, &str)) -> String {
    format!("{tenant}/{provider}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(fleet: &str) -> Seal {
        Seal::derive(&SecretString::from(fleet.to_owned())).unwrap()
    }

    #[test]
    fn only_the_same_fleet_tenant_and_provider_open_what_was_sealed() {
        const FLEET: &str = "0123456789abcdef0123456789abcdef";
        let tenant = TenantId::new();
        let sealed = seal(FLEET).seal((tenant, "stripe"), b"sk_test_1").unwrap();
        assert_eq!(seal(FLEET).open((tenant, "stripe"), &sealed).unwrap(), b"sk_test_1");
        assert!(seal(FLEET).open((TenantId::new(), "stripe"), &sealed).is_err());
        assert!(seal(FLEET).open((tenant, "paypal"), &sealed).is_err());
        assert!(seal("another fleet secret of some length").open((tenant, "stripe"), &sealed).is_err());
        assert!(seal(FLEET).open((tenant, "stripe"), b"short").is_err());
        assert!(!sealed.windows(9).any(|part| part == b"sk_test_1"));
    }
}
