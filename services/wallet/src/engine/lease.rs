//! Keeping the lease, and knowing for how long it is certain.
//!
//! Appends need no clock: the journal refuses a stale epoch. Reads from memory do: a process that
//! was paused must not answer from a state that somebody else has moved on from. So the time until
//! which the lease certainly holds, by this process's monotonic clock and counted from before the
//! renewal was sent, is kept here and asked before such an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use journal::{Journal, JournalError, Lease};

/// Until when a lease certainly holds.
#[derive(Clone)]
pub(crate) struct Validity {
    since: Instant,
    until_millis: Arc<AtomicU64>,
}

impl Validity {
    /// A lease that was asked for at `asked` and granted for `ttl`.
    pub(crate) fn granted(asked: Instant, ttl: Duration) -> Self {
        let validity = Self { since: asked, until_millis: Arc::default() };
        validity.prolong(asked, ttl);
        validity
    }

    fn prolong(&self, asked: Instant, ttl: Duration) {
        let until = asked.saturating_duration_since(self.since) + ttl;
        let millis = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.until_millis.store(millis, Ordering::Release);
    }

    /// Whether it holds at this moment.
    pub(crate) fn holds(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.since).as_millis();
        u64::try_from(now).unwrap_or(u64::MAX) < self.until_millis.load(Ordering::Acquire)
    }

    /// Takes the answer to a renewal that was sent at `asked`; says whether the lease is lost.
    pub(crate) fn is_lost(&self, asked: Instant, ttl: Duration, renewed: &Result<(), JournalError>) -> bool {
        if renewed.is_ok() {
            self.prolong(asked, ttl);
        }
        matches!(renewed, Err(JournalError::Fenced { .. }))
    }
}

/// Renews the lease for ever; ends when it is lost. While the journal cannot be reached it keeps
/// trying: nobody else can take the lease then either, and reads stop by themselves. A renewal that
/// stays without an answer is not waited for until the lease is over.
pub(crate) async fn keep<J: Journal>(journal: &J, lease: Lease, ttl: Duration, validity: &Validity) {
    loop {
        tokio::time::sleep(ttl / 4).await;
        let asked = Instant::now();
        let renewed = tokio::time::timeout(ttl / 3, journal.renew(lease, ttl)).await;
        let renewed = renewed.unwrap_or_else(|late| Err(JournalError::unavailable(late)));
        if validity.is_lost(asked, ttl, &renewed) {
            return;
        }
        if let Err(error) = renewed {
            tracing::warn!(partition = lease.partition, %error, "the lease could not be renewed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_certain_from_the_moment_it_was_asked_for() {
        let long_ago = Instant::now().checked_sub(Duration::from_millis(500)).unwrap();
        let validity = Validity::granted(long_ago, Duration::from_millis(400));
        assert!(!validity.holds(Instant::now()));
        assert!(!validity.is_lost(Instant::now(), Duration::from_secs(9), &Ok(())));
        assert!(validity.holds(Instant::now()));
    }
}
