//! The clocks of simulated machines.

use std::sync::atomic::{AtomicI64, Ordering};

use ids::TenantId;
use jiff::Timestamp;
use kernel::Clock;

/// The clock on the wall of a machine; it may step.
#[derive(Debug, Default)]
pub(super) struct SimClock(pub(super) AtomicI64);

impl Clock for SimClock {
    fn now(&self, _: TenantId) -> Timestamp {
        self.wall()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::Relaxed)).unwrap_or_default()
    }
}
