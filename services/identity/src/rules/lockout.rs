//! How guessing is slowed down.
//!
//! Failures are counted per address and window. The failure that reaches the limit locks the
//! address; each further lock lasts twice as long as the one before, up to a ceiling. A right
//! password forgets everything, and so does a long silence. The rule does not know whether anybody
//! has the address, which is why a lock cannot reveal it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// The figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Failures within the window that lock the address.
    pub failures_max: u32,
    /// Length of the window.
    pub window_seconds: u32,
    /// Length of the first lock.
    pub first_lock_seconds: u32,
    /// Length that no lock exceeds.
    pub lock_seconds_max: u32,
    /// Silence after which earlier locks no longer count.
    pub forget_after_seconds: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            failures_max: 5,
            window_seconds: 15 * 60,
            first_lock_seconds: 60,
            lock_seconds_max: 60 * 60,
            forget_after_seconds: 24 * 60 * 60,
        }
    }
}

/// What is remembered about an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Failures in the present window.
    pub failures: u32,
    /// When the window began.
    pub window_started_at: Timestamp,
    /// Locks so far.
    pub locks: u32,
    /// End of the latest lock.
    pub locked_until: Option<Timestamp>,
    /// The latest failure.
    pub last_failed_at: Timestamp,
}

impl Guard {
    /// Seconds, rounded up, for which the address stays locked; `None` when it is not.
    #[must_use]
    pub fn locked_for_seconds(&self, at: Timestamp) -> Option<i64> {
        let until = self.locked_until.filter(|until| at < *until)?;
        let left = until.duration_since(at);
        Some(left.as_secs() + i64::from(left.subsec_nanos() > 0))
    }
}

/// What is remembered after one more failure at `at`, and until when that failure has locked the
/// address, if it has.
#[must_use]
pub fn after_failure(guard: Option<Guard>, policy: &Policy, at: Timestamp) -> (Guard, Option<Timestamp>) {
    let fresh =
        Guard { failures: 0, window_started_at: at, locks: 0, locked_until: None, last_failed_at: at };
    let known = guard.filter(|guard| at < later(guard.last_failed_at, policy.forget_after_seconds));
    let mut guard = known.unwrap_or(fresh);
    guard.last_failed_at = at;
    if at >= later(guard.window_started_at, policy.window_seconds) {
        guard.failures = 0;
        guard.window_started_at = at;
    }
    guard.failures += 1;
    if guard.failures < policy.failures_max {
        return (guard, None);
    }
    let until = later(at, lock_seconds(policy, guard.locks));
    guard.failures = 0;
    guard.window_started_at = at;
    guard.locks = guard.locks.saturating_add(1);
    guard.locked_until = Some(until);
    (guard, Some(until))
}

/// Length of the lock that follows `locks` earlier ones.
fn lock_seconds(policy: &Policy, locks: u32) -> u32 {
    let doubled = policy.first_lock_seconds.saturating_mul(2_u32.saturating_pow(locks));
    doubled.min(policy.lock_seconds_max)
}

fn later(at: Timestamp, seconds: u32) -> Timestamp {
    at.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// Fails at each of these seconds; answers the guard and the seconds at which locks began.
    fn fail_at(seconds: impl IntoIterator<Item = i64>) -> (Option<Guard>, Vec<(i64, i64)>) {
        let (mut guard, mut locks) = (None, Vec::new());
        for at in seconds {
            let (next, locked) = after_failure(guard, &Policy::default(), second(at));
            locks.extend(locked.map(|until| (at, until.duration_since(second(at)).as_secs())));
            guard = Some(next);
        }
        (guard, locks)
    }

    #[test]
    fn the_fifth_failure_within_the_window_locks() {
        assert_eq!(fail_at([0, 1, 2, 3]).1, []);
        assert_eq!(fail_at([0, 1, 2, 3, 4]).1, [(4, 60)]);
        assert_eq!(fail_at([0, 100, 200, 300, 899]).1, [(899, 60)]);
    }

    #[test]
    fn failures_of_an_earlier_window_do_not_count() {
        assert_eq!(fail_at([0, 1, 2, 3, 900]).1, []);
        assert_eq!(fail_at([0, 1, 2, 3, 900, 901, 902, 903, 904]).1, [(904, 60)]);
    }

    #[test]
    fn locks_double_up_to_an_hour() {
        let rounds = (0..9).flat_map(|round| (0..5).map(move |step| round * 4000 + step));
        let lengths: Vec<_> = fail_at(rounds).1.into_iter().map(|(_, length)| length).collect();
        assert_eq!(lengths, [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
    }

    #[test]
    fn a_day_of_silence_forgets_earlier_locks() {
        let day = 24 * 60 * 60;
        let (_, locks) = fail_at((0..5).chain(day + 4..day + 9));
        assert_eq!(locks, [(4, 60), (day + 8, 60)]);
    }

    #[test]
    fn a_lock_says_how_long_it_lasts() {
        let guard = fail_at([0, 1, 2, 3, 4]).0.unwrap();
        assert_eq!(guard.locked_for_seconds(second(4)), Some(60));
        assert_eq!(guard.locked_for_seconds(second(63)), Some(1));
        assert_eq!(guard.locked_for_seconds(second(64)), None);
        let between = second(63).saturating_add(SignedDuration::from_millis(1)).unwrap();
        assert_eq!(guard.locked_for_seconds(between), Some(1), "rounded up, never zero");
    }

    #[test]
    fn extreme_figures_do_not_overflow() {
        let policy = Policy { first_lock_seconds: u32::MAX, lock_seconds_max: u32::MAX, ..Policy::default() };
        assert_eq!(lock_seconds(&policy, u32::MAX), u32::MAX);
    }
}
