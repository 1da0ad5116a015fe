//! Randomness, and the keys derived from the fleet secret: one to seal signing keys, one to digest
//! addresses, one to digest passwords in idempotency records. They are unrelated to each other and
//! to the keys that sign assertions.

use auth::derive_secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use fault::Fault;
use hmac::{Hmac, KeyInit, Mac};
use ids::TenantId;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::rules::email::EmailAddress;

const NONCE_LENGTH: usize = 12;

/// Random bytes from the system.
///
/// # Errors
/// When the system gives none.
pub fn random<const LENGTH: usize>() -> fault::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Fault::internal("no randomness"))?;
    Ok(bytes)
}

/// The digest under which a token of 256 random bits is kept; with that much randomness a plain
/// hash cannot be turned around.
#[must_use]
pub fn token_digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The keys of this service.
pub struct Secrets {
    sealing: RandomizedNonceKey,
    addresses: [u8; 32],
    bodies: [u8; 32],
}

impl Secrets {
    /// The keys that follow from the fleet secret.
    ///
    /// # Errors
    /// Never in practice: the lengths are fixed.
    pub fn derive(fleet: &SecretString) -> fault::Result<Self> {
        let sealing = derive_secret(fleet, "vbwd identity signing key sealing v1")?;
        Ok(Self {
            sealing: RandomizedNonceKey::new(&AES_256_GCM, &sealing)
                .map_err(|_| Fault::internal("sealing key"))?,
            addresses: derive_secret(fleet, "vbwd identity address digest v1")?,
            bodies: derive_secret(fleet, "vbwd identity body digest v1")?,
        })
    }

    /// The digest under which failures for an address are counted.
    #[must_use]
    pub fn address_digest(&self, tenant: TenantId, address: &EmailAddress) -> [u8; 32] {
        keyed(&self.addresses, &[tenant.as_uuid().as_bytes(), address.normalised().as_bytes()])
    }

    /// The digest of a request body that holds a password. A plain hash in the idempotency record
    /// would be a fast way to guess it.
    #[must_use]
    pub fn body_digest(&self, body: &[u8; 32]) -> [u8; 32] {
        keyed(&self.bodies, &[body])
    }

    /// Seals `plain` for `context`; it can be opened with the same context only.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn seal(&self, context: &str, plain: &[u8]) -> fault::Result<Vec<u8>> {
        let mut sealed = plain.to_vec();
        let nonce = self.sealing.seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut sealed);
        let nonce = nonce.map_err(|_| Fault::internal("sealing failed"))?;
        let mut whole = nonce.as_ref().to_vec();
        whole.append(&mut sealed);
        Ok(whole)
    }

    /// Opens what was sealed for `context`.
    ///
    /// # Errors
    /// When it was altered, or sealed for another context or under another fleet secret.
    pub fn open(&self, context: &str, sealed: &[u8]) -> fault::Result<Vec<u8>> {
        let refused = || Fault::internal("a sealed secret cannot be opened; was the fleet secret changed?");
        let (nonce, rest) = sealed.split_at_checked(NONCE_LENGTH).ok_or_else(refused)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
        let mut rest = rest.to_vec();
        let plain = self.sealing.open_in_place(nonce, Aad::from(context.as_bytes()), &mut rest);
        plain.map(|plain| plain.to_vec()).map_err(|_| refused())
    }
}

/// HMAC-SHA256 over parts, each with its length.
fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC fills a short key with zeros up to the block; doing it here makes its length right by type.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(fleet: &str) -> Secrets {
        Secrets::derive(&SecretString::from(fleet.to_owned())).unwrap()
    }

    const FLEET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn only_the_same_fleet_and_context_open_what_was_sealed() {
        let sealed = secrets(FLEET).seal("key-1", b"seed").unwrap();
        assert_eq!(secrets(FLEET).open("key-1", &sealed).unwrap(), b"seed");
        assert!(secrets(FLEET).open("key-2", &sealed).is_err());
        assert!(secrets("another fleet").open("key-1", &sealed).is_err());
        let mut altered = sealed.clone();
        altered[NONCE_LENGTH] ^= 1;
        assert!(secrets(FLEET).open("key-1", &altered).is_err());
        assert!(secrets(FLEET).open("key-1", b"short").is_err());
        assert_ne!(sealed, secrets(FLEET).seal("key-1", b"seed").unwrap(), "a fresh nonce each time");
    }

    #[test]
    fn digests_depend_on_tenant_address_and_fleet() {
        let (tenant, address) = (TenantId::new(), EmailAddress::parse("a@b.cd").unwrap());
        let digest = secrets(FLEET).address_digest(tenant, &address);
        assert_eq!(digest, secrets(FLEET).address_digest(tenant, &EmailAddress::parse("A@B.cd").unwrap()));
        assert_ne!(digest, secrets(FLEET).address_digest(TenantId::new(), &address));
        assert_ne!(digest, secrets("another fleet").address_digest(tenant, &address));
    }
}
