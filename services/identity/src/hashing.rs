//! Password hashing that a storm of log-ins cannot turn into an outage.
//!
//! Argon2id is meant to be slow and to need memory, so it runs on blocking threads, at most one per
//! core at a time; everybody else waits in line, and who waits too long is told to come back. The
//! memory of a hash (19 MiB) is kept for the next one instead of being given back to the allocator:
//! resident memory is bounded by cores, not by load. For an unknown user the same work is done
//! against a decoy, so that the time of an answer does not tell who is a customer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use fault::Fault;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::config::Hashing;

const SALT_LENGTH: usize = 16;
const OUTPUT_LENGTH: usize = 32;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Hasher(Arc<Inner>);

struct Inner {
    params: Params,
    decoy: String,
    turns: Arc<Semaphore>,
    wait_max: Duration,
    scratch: Mutex<Vec<Vec<Block>>>,
}

/// The outcome of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Whether the password is the right one.
    pub matches: bool,
    /// Whether the hash was made with other figures than the present ones.
    pub outdated: bool,
}

impl Hasher {
    /// A hasher with these figures.
    ///
    /// # Errors
    /// When Argon2 does not accept the figures, or the system gives no randomness.
    pub fn new(config: &Hashing) -> fault::Result<Self> {
        let params = Params::new(config.memory_kib, config.passes, config.lanes, Some(OUTPUT_LENGTH));
        let params = params.map_err(|error| Fault::internal(error.to_string()))?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let parallel = if config.parallel == 0 { cores } else { config.parallel };
        Ok(Self(Arc::new(Inner {
            // Nobody knows a password for random bytes; verifying against them costs what it always costs.
            decoy: encode(&params, &random::<SALT_LENGTH>()?, &random::<OUTPUT_LENGTH>()?)?,
            params,
            turns: Arc::new(Semaphore::new(parallel)),
            wait_max: Duration::from_secs(u64::from(config.wait_seconds_max)),
            scratch: Mutex::new(Vec::new()),
        })))
    }

    /// The hash of a password, as a PHC string.
    ///
    /// # Errors
    /// `password_hashing_busy` when the line is too long.
    pub async fn hash(&self, password: SecretString) -> fault::Result<String> {
        self.in_turn(move |inner| {
            let salt = random::<SALT_LENGTH>()?;
            let output = inner.compute(&inner.params, password.expose_secret().as_bytes(), &salt)?;
            encode(&inner.params, &salt, &output)
        })
        .await
    }

    /// Whether `password` is the one behind `hash`; without a hash the same work for nothing.
    ///
    /// # Errors
    /// `password_hashing_busy` when the line is too long; `internal` when the hash is malformed.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> fault::Result<Verified> {
        self.in_turn(move |inner| {
            let stored = hash.as_deref().unwrap_or(&inner.decoy);
            inner.verify(password.expose_secret().as_bytes(), stored)
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> fault::Result<T> + Send + 'static,
    ) -> fault::Result<T> {
        let turn = tokio::time::timeout(self.0.wait_max, Arc::clone(&self.0.turns).acquire_owned());
        let turn = turn.await.map_err(|late| Fault::unavailable("password_hashing_busy", late))?;
        let turn = turn.map_err(Fault::internal)?;
        let inner = Arc::clone(&self.0);
        let started = Instant::now();
        let outcome = tokio::task::spawn_blocking(move || {
            let outcome = work(&inner);
            // Held here and not by the waiter: a caller who hangs up must not let another one in.
            drop(turn);
            outcome
        });
        let outcome = outcome.await.map_err(Fault::internal)?;
        crate::metrics::password_hashed(started.elapsed());
        outcome
    }
}

impl Inner {
    fn verify(&self, password: &[u8], stored: &str) -> fault::Result<Verified> {
        let malformed = || Fault::internal("malformed password hash");
        let parsed = PasswordHash::new(stored).map_err(|_| malformed())?;
        let params = Params::try_from(&parsed).map_err(|_| malformed())?;
        let (Some(salt), Some(expected)) = (parsed.salt, parsed.hash) else {
            return Err(malformed());
        };
        let output = self.compute(&params, password, &salt)?;
        let matches = bool::from(output.as_slice().ct_eq(expected.as_bytes()));
        let same = |one: &Params| (one.m_cost(), one.t_cost(), one.p_cost());
        Ok(Verified { matches, outdated: same(&params) != same(&self.params) })
    }

    fn compute(&self, params: &Params, password: &[u8], salt: &[u8]) -> fault::Result<[u8; OUTPUT_LENGTH]> {
        let mut output = [0; OUTPUT_LENGTH];
        let mut memory = self.lock().pop().unwrap_or_default();
        memory.resize(params.block_count(), Block::default());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let outcome =
            argon2.hash_password_into_with_memory(password, salt, &mut output, memory.as_mut_slice());
        self.lock().push(memory);
        outcome.map_err(|error| Fault::internal(error.to_string()))?;
        Ok(output)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn encode(params: &Params, salt: &[u8], output: &[u8]) -> fault::Result<String> {
    let failed = |_| Fault::internal("encoding a password hash");
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| Fault::internal("encoding parameters"))?,
        salt: Some(Salt::new(salt).map_err(failed)?),
        hash: Some(Output::new(output).map_err(failed)?),
    };
    Ok(hash.to_string())
}

fn random<const LENGTH: usize>() -> fault::Result<[u8; LENGTH]> {
    crate::secrets::random()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(memory_kib: u32) -> Hasher {
        Hasher::new(&Hashing { memory_kib, passes: 1, parallel: 2, ..Hashing::default() }).unwrap()
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let hasher = hasher(64);
        let hash = hasher.hash(secret("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        let right = hasher.verify(secret("correct horse"), Some(hash.clone())).await.unwrap();
        assert_eq!(right, Verified { matches: true, outdated: false });
        assert!(!hasher.verify(secret("Correct horse"), Some(hash.clone())).await.unwrap().matches);
        assert!(!hasher.verify(secret(""), Some(hash)).await.unwrap().matches);
    }

    #[tokio::test]
    async fn our_hashes_are_readable_by_the_reference_implementation() {
        use argon2::PasswordVerifier;
        let hash = hasher(64).hash(secret("correct horse")).await.unwrap();
        assert!(Argon2::default().verify_password(b"correct horse", hash.as_str()).is_ok());
    }

    #[tokio::test]
    async fn two_hashes_of_one_password_differ() {
        let hasher = hasher(64);
        let (one, two) =
            (hasher.hash(secret("same")).await.unwrap(), hasher.hash(secret("same")).await.unwrap());
        assert_ne!(one, two);
    }

    #[tokio::test]
    async fn without_a_hash_nothing_matches() {
        assert!(!hasher(64).verify(secret("anything"), None).await.unwrap().matches);
    }

    #[tokio::test]
    async fn a_hash_with_older_figures_still_verifies_and_says_so() {
        let hash = hasher(64).hash(secret("correct horse")).await.unwrap();
        let verified = hasher(128).verify(secret("correct horse"), Some(hash)).await.unwrap();
        assert_eq!(verified, Verified { matches: true, outdated: true });
    }

    #[tokio::test]
    async fn a_malformed_hash_is_a_fault() {
        assert!(hasher(64).verify(secret("x"), Some("plain".to_owned())).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_told_to_come_back() {
        let hasher = hasher(64);
        let _all = Arc::clone(&hasher.0.turns).acquire_many_owned(2).await.unwrap();
        let refused = hasher.verify(secret("x"), None).await.unwrap_err();
        assert_eq!((refused.reason(), refused.is_transient()), ("password_hashing_busy", true));
    }

    #[tokio::test]
    async fn memory_is_bounded_by_the_turns() {
        let hasher = hasher(64);
        let storm = (0..40).map(|_| hasher.verify(secret("x"), None));
        for outcome in futures::future::join_all(storm).await {
            outcome.unwrap();
        }
        assert!(hasher.0.lock().len() <= 2);
    }
}
