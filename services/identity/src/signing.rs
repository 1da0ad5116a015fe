//! The keys that sign access tokens.
//!
//! Exactly one key signs; retired ones are published until the last token they signed has expired.
//! Every process reads the keys again after [`RELOAD_SECONDS`], so after a rotation elsewhere it
//! goes on signing with the old key for at most that long, and the old key is published for that
//! much longer. Verifiers that meet an unknown key id fetch the published keys again. So rotation
//! logs nobody out. The first use on an empty table makes the first key.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use auth::{AccessTokenIssuer, Jwk};
use eventstore::EventStore;
use fault::Fault;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::secrets::{Secrets, random};
use crate::tables::signing_keys::{self, SigningKeyRow};

/// For how long a process may go on with the keys it has read.
pub const RELOAD_SECONDS: i64 = 15;

/// The signing keys of the fleet.
pub struct SigningKeys {
    store: EventStore,
    secrets: Arc<Secrets>,
    token_life_seconds: i64,
    loaded: ArcSwapOption<Loaded>,
}

/// The keys as they were read.
pub struct Loaded {
    issuer: AccessTokenIssuer,
    published: Vec<Jwk>,
    made_at: Timestamp,
    read_at: Timestamp,
}

impl Loaded {
    /// Signs with the current key.
    #[must_use]
    pub const fn issuer(&self) -> &AccessTokenIssuer {
        &self.issuer
    }

    /// Every key that still verifies, the current one first.
    #[must_use]
    pub fn published(&self) -> &[Jwk] {
        &self.published
    }
}

impl SigningKeys {
    /// The keys in `store`, opened with `secrets`, for tokens of this life.
    #[must_use]
    pub fn new(store: EventStore, secrets: Arc<Secrets>, token_life_seconds: u32) -> Self {
        let token_life_seconds = i64::from(token_life_seconds);
        Self { store, secrets, token_life_seconds, loaded: ArcSwapOption::empty() }
    }

    /// The present keys.
    ///
    /// # Errors
    /// Faults of the database; `internal` when the fleet secret is not the one the keys were sealed
    /// with.
    pub async fn present(&self, now: Timestamp) -> fault::Result<Arc<Loaded>> {
        let fresh_enough =
            |loaded: &Arc<Loaded>| now.duration_since(loaded.read_at).as_secs() < RELOAD_SECONDS;
        if let Some(loaded) = self.loaded.load_full().filter(fresh_enough) {
            return Ok(loaded);
        }
        match self.read(now).await? {
            Some(loaded) => Ok(self.keep(loaded)),
            None => self.make("service:identity", now, |newest| newest.is_none()).await,
        }
    }

    /// Makes a new key and retires the present one; answers the new key's id.
    ///
    /// # Errors
    /// As [`Self::present`].
    pub async fn rotate(&self, by: &str, now: Timestamp) -> fault::Result<String> {
        let loaded = self.make(by, now, |_| true).await?;
        Ok(loaded.issuer.jwk().kid)
    }

    /// Makes a new key if the present one is older than `days`; any number of processes may ask.
    ///
    /// # Errors
    /// As [`Self::present`].
    pub async fn rotate_if_older(&self, days: u32, now: Timestamp) -> fault::Result<()> {
        let oldest = earlier(now, i64::from(days) * 24 * 60 * 60);
        if self.present(now).await?.made_at >= oldest {
            return Ok(());
        }
        let too_old = |newest: Option<Timestamp>| newest.is_none_or(|made_at| made_at < oldest);
        self.make("service:identity", now, too_old).await.map(|_| ())
    }

    /// Before when a key must have been retired to verify nothing any more.
    #[must_use]
    pub fn retired_before(&self, now: Timestamp) -> Timestamp {
        earlier(now, self.token_life_seconds + 2 * RELOAD_SECONDS)
    }

    /// Makes a key if `wanted`, which is told when the current one was made, still says so under
    /// the lock.
    async fn make(
        &self,
        by: &str,
        now: Timestamp,
        wanted: impl Fn(Option<Timestamp>) -> bool + Send,
    ) -> fault::Result<Arc<Loaded>> {
        let mut unit = self.store.begin_worker(None).await?;
        signing_keys::lock(unit.connection()).await?;
        let keys = signing_keys::usable(unit.connection(), self.retired_before(now)).await?;
        if wanted(keys.first().filter(|key| key.retired_at.is_none()).map(|key| key.created_at)) {
            let key = self.generate(now)?;
            signing_keys::replace(unit.connection(), &key, by).await?;
            crate::metrics::signing_key_made();
            tracing::info!(key_id = key.key_id, by, "signing key made");
        }
        unit.commit().await?;
        let loaded = self.read(now).await?;
        loaded.map(|loaded| self.keep(loaded)).ok_or_else(|| Fault::internal("no signing key"))
    }

    fn generate(&self, now: Timestamp) -> fault::Result<SigningKeyRow> {
        let seed = random::<32>()?;
        let key_id = Uuid::now_v7().simple().to_string();
        Ok(SigningKeyRow {
            public_key: AccessTokenIssuer::new(&key_id, &seed)?.jwk().x,
            sealed_seed: self.secrets.seal(&key_id, &seed)?,
            key_id,
            created_at: now,
            retired_at: None,
        })
    }

    async fn read(&self, now: Timestamp) -> fault::Result<Option<Loaded>> {
        let mut unit = self.store.begin_worker(None).await?;
        let keys = signing_keys::usable(unit.connection(), self.retired_before(now)).await?;
        unit.rollback().await?;
        let Some(current) = keys.first().filter(|key| key.retired_at.is_none()) else {
            return Ok(None);
        };
        let seed = self.secrets.open(&current.key_id, &current.sealed_seed)?;
        let seed = <[u8; 32]>::try_from(seed).map_err(|_| Fault::internal("a seed has another length"))?;
        Ok(Some(Loaded {
            issuer: AccessTokenIssuer::new(&current.key_id, &seed)?,
            published: keys.iter().map(published).collect(),
            made_at: current.created_at,
            read_at: now,
        }))
    }

    fn keep(&self, loaded: Loaded) -> Arc<Loaded> {
        let loaded = Arc::new(loaded);
        self.loaded.store(Some(Arc::clone(&loaded)));
        loaded
    }
}

fn published(key: &SigningKeyRow) -> Jwk {
    Jwk { kid: key.key_id.clone(), x: key.public_key.clone() }
}

fn earlier(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
}
