//! Readiness as named latches: a process is ready when every latch is set, and a person can see
//! which one is missing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// All latches of a process.
#[derive(Clone, Default)]
pub struct Readiness {
    latches: Arc<Mutex<BTreeMap<String, Latch>>>,
    draining: Arc<AtomicBool>,
}

/// One condition for readiness; not set at first.
#[derive(Clone, Default)]
pub struct Latch(Arc<AtomicBool>);

impl Latch {
    /// Says whether the condition holds.
    pub fn set(&self, holds: bool) {
        self.0.store(holds, Ordering::Release);
    }

    fn holds(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Readiness {
    /// The latch with this name, made when it is asked for the first time.
    #[must_use]
    pub fn latch(&self, name: impl Into<String>) -> Latch {
        self.lock().entry(name.into()).or_default().clone()
    }

    /// From now on the process is not ready.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the process is about to stop: it still answers, but nobody should begin to rely on it.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Names of the conditions that do not hold; empty means ready.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut missing: Vec<_> =
            self.lock().iter().filter(|(_, latch)| !latch.holds()).map(|(name, _)| name.clone()).collect();
        if self.is_draining() {
            missing.push("draining".to_owned());
        }
        missing
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Latch>> {
        self.latches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_every_latch_and_no_drain() {
        let readiness = Readiness::default();
        let (a, b) = (readiness.latch("a"), readiness.latch("b"));
        a.set(true);
        assert_eq!(readiness.missing(), ["b"]);
        b.set(true);
        assert!(readiness.missing().is_empty());
        readiness.begin_drain();
        assert_eq!(readiness.missing(), ["draining"]);
    }
}
