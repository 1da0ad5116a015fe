//! Randomness, and the keys derived from the fleet secret: one to seal signing keys and the keys of
//! persons, one to digest addresses, one to digest passwords in idempotency records, one to make the
//! tokens of tickets. They are unrelated to each other and to the keys that sign assertions.

use auth::derive_secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fault::Fault;
use hmac::{Hmac, KeyInit, Mac};
use ids::{TenantId, UserId};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::rules::email::EmailAddress;
use crate::rules::tickets::Purpose;

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
    tickets: [u8; 32],
    codes: [u8; 32],
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
            tickets: derive_secret(fleet, "vbwd identity ticket token v1")?,
            codes: derive_secret(fleet, "vbwd identity recovery code digest v1")?,
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

    /// The token of a ticket. It follows from the ticket, so it can be made again when the letter is
    /// handed over, and it is kept nowhere.
    #[must_use]
    pub fn ticket_token(&self, tenant: TenantId, purpose: Purpose, ticket: Uuid) -> [u8; 32] {
        keyed(&self.tickets, &[tenant.as_uuid().as_bytes(), purpose.as_str().as_bytes(), ticket.as_bytes()])
    }

    /// The digest under which a recovery code of a user is kept.
    #[must_use]
    pub fn code_digest(&self, tenant: TenantId, user: UserId, code: &str) -> [u8; 32] {
        keyed(&self.codes, &[tenant.as_uuid().as_bytes(), user.as_uuid().as_bytes(), code.as_bytes()])
    }

    /// A fresh key for a person, sealed.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new_person_key(&self, tenant: TenantId, user: UserId) -> fault::Result<Vec<u8>> {
        self.seal(&person(tenant, user), &random::<32>()?)
    }

    /// The key of a person.
    ///
    /// # Errors
    /// When it was sealed for somebody else or under another fleet secret.
    pub fn person_key(&self, tenant: TenantId, user: UserId, sealed: &[u8]) -> fault::Result<PersonKey> {
        let key = self.open(&person(tenant, user), sealed)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key).map_err(|_| Fault::internal("person key"))?;
        Ok(PersonKey(key))
    }

    /// Seals `plain` for `context`; it can be opened with the same context only.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn seal(&self, context: &str, plain: &[u8]) -> fault::Result<Vec<u8>> {
        seal(&self.sealing, context, plain)
    }

    /// Opens what was sealed for `context`.
    ///
    /// # Errors
    /// When it was altered, or sealed for another context or under another fleet secret.
    pub fn open(&self, context: &str, sealed: &[u8]) -> fault::Result<Vec<u8>> {
        open(&self.sealing, context, sealed)
    }
}

/// Seals and opens what the history says about one person.
pub struct PersonKey(RandomizedNonceKey);

const HISTORY: &str = "history";

impl PersonKey {
    /// Seals a text.
    ///
    /// # Errors
    /// When the cipher fails.
    pub fn seal(&self, plain: &str) -> fault::Result<String> {
        seal(&self.0, HISTORY, plain.as_bytes()).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens a sealed text.
    ///
    /// # Errors
    /// When it was altered or sealed with another key.
    pub fn open(&self, sealed: &str) -> fault::Result<String> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(Fault::internal)?;
        String::from_utf8(open(&self.0, HISTORY, &sealed)?).map_err(Fault::internal)
    }
}

fn person(tenant: TenantId, user: UserId) -> String {
    format!("person {tenant}/{user}")
}

fn seal(key: &RandomizedNonceKey, context: &str, plain: &[u8]) -> fault::Result<Vec<u8>> {
    let mut sealed = plain.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut sealed);
    let nonce = nonce.map_err(|_| Fault::internal("sealing failed"))?;
    let mut whole = nonce.as_ref().to_vec();
    whole.append(&mut sealed);
    Ok(whole)
}

fn open(key: &RandomizedNonceKey, context: &str, sealed: &[u8]) -> fault::Result<Vec<u8>> {
    let refused = || Fault::internal("a sealed secret cannot be opened; was the fleet secret changed?");
    let (nonce, rest) = sealed.split_at_checked(NONCE_LENGTH).ok_or_else(refused)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| refused())?;
    let mut rest = rest.to_vec();
    let plain = key.open_in_place(nonce, Aad::from(context.as_bytes()), &mut rest);
    plain.map(|plain| plain.to_vec()).map_err(|_| refused())
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
    fn what_is_sealed_for_a_person_is_opened_with_the_key_of_that_person_only() {
        let (secrets, tenant, user) = (secrets(FLEET), TenantId::new(), UserId::new());
        let sealed_key = secrets.new_person_key(tenant, user).unwrap();
        let key = secrets.person_key(tenant, user, &sealed_key).unwrap();
        let sealed = key.seal("192.0.2.1").unwrap();
        assert_eq!(key.open(&sealed).unwrap(), "192.0.2.1");
        assert!(secrets.person_key(tenant, UserId::new(), &sealed_key).is_err());
        let another = secrets.new_person_key(tenant, user).unwrap();
        assert!(secrets.person_key(tenant, user, &another).unwrap().open(&sealed).is_err());
    }

    #[test]
    fn tokens_of_tickets_depend_on_purpose_ticket_tenant_and_fleet() {
        let (tenant, ticket) = (TenantId::new(), Uuid::now_v7());
        let token = secrets(FLEET).ticket_token(tenant, Purpose::VerifyEmail, ticket);
        assert_eq!(token, secrets(FLEET).ticket_token(tenant, Purpose::VerifyEmail, ticket));
        assert_ne!(token, secrets(FLEET).ticket_token(tenant, Purpose::ResetPassword, ticket));
        assert_ne!(token, secrets(FLEET).ticket_token(tenant, Purpose::VerifyEmail, Uuid::now_v7()));
        assert_ne!(token, secrets(FLEET).ticket_token(TenantId::new(), Purpose::VerifyEmail, ticket));
        assert_ne!(token, secrets("another fleet").ticket_token(tenant, Purpose::VerifyEmail, ticket));
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
