//! What runs by itself: new signing keys when the present one is old, and the removal of what
//! nobody can use any more. Any number of processes may do it at the same time.

use jiff::{SignedDuration, Timestamp};

use crate::app::Identity;
use crate::tables::{challenges, guards, passkeys, providers, sessions, signing_keys, sources, tickets};

/// Sessions removed in one transaction: a long one would hold back every reader of the event log.
const SWEPT_AT_A_TIME: i64 = 1_000;
/// Sources that were never blocked are forgotten after the longest window there can be.
const HARMLESS_SOURCE_KEPT_SECONDS: i64 = 24 * 60 * 60;

impl Identity {
    /// Makes a new signing key if the present one is older than the settings want.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn rotate_when_due(&self) -> fault::Result<()> {
        match self.config.signing_key_life_days {
            0 => Ok(()),
            days => self.keys.rotate_if_older(days, self.clock.wall()).await,
        }
    }

    /// Removes old sessions, guards that have forgotten, and keys that verify nothing.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn sweep(&self) -> fault::Result<()> {
        self.purge_tenants().await?;
        let now = self.clock.wall();
        let kept = i64::from(self.config.ended_session_kept_days) * 24 * 60 * 60;
        loop {
            let mut unit = self.store.begin_worker(None).await?;
            let swept = sessions::sweep(unit.connection(), earlier(now, kept), SWEPT_AT_A_TIME).await?;
            unit.commit().await?;
            if swept < SWEPT_AT_A_TIME.unsigned_abs() {
                break;
            }
        }
        let silent = earlier(now, i64::from(self.config.sources.forget_after_seconds));
        let harmless = earlier(now, HARMLESS_SOURCE_KEPT_SECONDS);
        loop {
            let mut unit = self.store.begin_worker(None).await?;
            let swept = sources::sweep(unit.connection(), silent, harmless, SWEPT_AT_A_TIME).await?;
            unit.commit().await?;
            if swept < SWEPT_AT_A_TIME.unsigned_abs() {
                break;
            }
        }
        let forgotten = earlier(now, i64::from(self.config.lockout.forget_after_seconds));
        let mut unit = self.store.begin_worker(None).await?;
        guards::sweep(unit.connection(), forgotten).await?;
        tickets::sweep(unit.connection(), earlier(now, kept)).await?;
        challenges::sweep(unit.connection(), now).await?;
        providers::sweep(unit.connection(), now).await?;
        passkeys::sweep(unit.connection(), now).await?;
        signing_keys::sweep(unit.connection(), self.keys.retired_before(now)).await?;
        unit.commit().await?;
        Ok(())
    }
}

fn earlier(at: Timestamp, seconds: i64) -> Timestamp {
    at.saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
}
