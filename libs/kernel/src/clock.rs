//! Time as a port: deciders get it as an argument, everything else asks a [`Clock`].

use std::sync::Mutex;

use ids::TenantId;
use jiff::{SignedDuration, Timestamp};

/// Tells the time of a tenant. Tenants with a test clock live in their own time.
pub trait Clock: Send + Sync {
    /// The present instant for `tenant`.
    fn now(&self, tenant: TenantId) -> Timestamp;

    /// The present instant where no tenant is concerned (leases, caches).
    fn wall(&self) -> Timestamp;
}

/// The machine's clock, the same for every tenant.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self, _tenant: TenantId) -> Timestamp {
        self.wall()
    }

    #[allow(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still until told otherwise, for tests.
#[derive(Debug)]
pub struct FixedClock(Mutex<Timestamp>);

impl FixedClock {
    /// A clock that stands at `at`.
    #[must_use]
    pub const fn new(at: Timestamp) -> Self {
        Self(Mutex::new(at))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.lock();
        *now = now.saturating_add(by).unwrap_or(*now);
    }

    /// Sets the clock.
    pub fn set(&self, at: Timestamp) {
        *self.lock() = at;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Timestamp> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for FixedClock {
    fn now(&self, _tenant: TenantId) -> Timestamp {
        *self.lock()
    }

    fn wall(&self) -> Timestamp {
        *self.lock()
    }
}
