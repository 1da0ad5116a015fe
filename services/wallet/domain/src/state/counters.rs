//! What limits, meters, transfers and reversals have to remember. None of it exists for tenants that use
//! none; who has sent to whom is kept for ever, because a limit on new recipients may be set any day.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::Books;

/// Slices of a window that are looked at: eight make the window, one is under way.
const SLICES: usize = 9;
/// For how long operations can be reversed, and so for how long reversals are remembered.
pub(crate) const REVERSIBLE_MS: i64 = 400 * 24 * 3_600 * 1_000;

/// A table that is cloned with the state.
pub(crate) type Table<K, V> = HashMap<K, V, RandomState>;

/// What was counted within a rolling window, in slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Window {
    pub(crate) slice_ms: i64,
    /// Number of the newest slice since 1970.
    pub(crate) newest: i64,
    /// Units and operations by slice, the newest first.
    pub(crate) slices: [(i64, u32); SLICES],
}

/// Use of a meter in its present period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    pub(crate) period_start_ms: i64,
    pub(crate) used: i64,
    /// Reserved and not yet settled.
    pub(crate) reserved: i64,
}

/// What was undone of an operation, by leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Undone {
    /// When the operation was posted.
    pub(crate) at_ms: i64,
    pub(crate) legs: Box<[i64]>,
}

/// What an account has sent to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acquaintance {
    pub(crate) since_ms: i64,
    pub(crate) sent: i64,
}

/// Thresholds of an account, and whether it is below them already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Watch {
    pub(crate) alerts: crate::Alerts,
    pub(crate) is_low: bool,
    pub(crate) is_asked: bool,
}

/// Everything that is counted, by number of the account.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    /// By rule.
    pub(crate) windows: Table<(u32, u64), Window>,
    /// By meter.
    pub(crate) usage: Table<(u32, String), Usage>,
    /// By recipient.
    pub(crate) acquaintances: Table<(u32, u32), Acquaintance>,
    pub(crate) watches: Table<u32, Watch>,
    /// By tenant and operation.
    pub(crate) undone: Table<(u32, (u64, u64)), Undone>,
}

impl Window {
    /// Units and operations counted in the window that ends at `at_ms`.
    pub(crate) fn total(&self, slice_ms: i64, at_ms: i64) -> (i64, u32) {
        if self.slice_ms != slice_ms {
            return (0, 0);
        }
        let gone = usize::try_from(slice(slice_ms, at_ms).saturating_sub(self.newest)).unwrap_or_default();
        let present = self.slices.iter().take(SLICES.saturating_sub(gone));
        present.fold((0, 0), |(amount, count): (i64, u32), (more, times)| {
            (amount.saturating_add(*more), count.saturating_add(*times))
        })
    }

    /// Counts one operation. A window of another length begins anew.
    pub(crate) fn count(&mut self, slice_ms: i64, at_ms: i64, amount: i64) {
        let now = slice(slice_ms, at_ms);
        if self.slice_ms != slice_ms {
            *self = Self { slice_ms, newest: now, slices: [(0, 0); SLICES] };
        }
        let gone = usize::try_from(now.saturating_sub(self.newest)).unwrap_or_default().min(SLICES);
        self.slices.rotate_right(gone.min(SLICES));
        self.slices.iter_mut().take(gone).for_each(|slice| *slice = (0, 0));
        self.newest = self.newest.max(now);
        if let Some((units, times)) = self.slices.first_mut() {
            *units = units.saturating_add(amount);
            *times = times.saturating_add(1);
        }
    }
}

fn slice(slice_ms: i64, at_ms: i64) -> i64 {
    at_ms.div_euclid(slice_ms.max(1))
}

impl Counters {
    /// What was used of a meter in the period that began at `period_start_ms`.
    pub(crate) fn usage(&self, account: u32, meter: &str, period_start_ms: i64) -> Usage {
        let found = self.usage.get(&(account, meter.to_owned())).copied().unwrap_or_default();
        if found.period_start_ms == period_start_ms {
            return found;
        }
        Usage { period_start_ms, used: 0, reserved: found.reserved }
    }

    /// Forgets reversals of operations that can no longer be reversed, by each tenant's own time.
    pub(crate) fn forget_undone(&mut self, books: &[Books]) {
        self.undone.retain(|(tenant, _), undone| {
            let now_ms = books.get(*tenant as usize).map_or(i64::MIN, |books| books.last_ms);
            now_ms.saturating_sub(undone.at_ms) <= REVERSIBLE_MS
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_never_forgets_too_early() {
        let mut window = Window::default();
        window.count(1_000, 500, 5);
        window.count(1_000, 4_000, 7);
        assert_eq!(window.total(1_000, 4_001), (12, 2));
        assert_eq!(window.total(1_000, 8_500), (12, 2), "eight seconds later it still counts");
        assert_eq!(window.total(1_000, 9_000), (7, 1));
        assert_eq!(window.total(1_000, 99_000), (0, 0));
        window.count(1_000, 99_000, 1);
        assert_eq!(window.total(1_000, 99_000), (1, 1));
        assert_eq!(window.total(2_000, 99_000), (0, 0), "another length begins anew");
    }
}
