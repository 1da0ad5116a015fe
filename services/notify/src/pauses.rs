//! How long to wait before trying again: doubling, bounded, and with half of it left to chance, so
//! that what failed together does not come back together.

use std::time::Duration;

/// The pauses of one kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pauses {
    /// After the first failure.
    pub first: Duration,
    /// By how much each pause is longer than the one before.
    pub factor: u32,
    /// The longest.
    pub longest: Duration,
}

impl Pauses {
    /// The pause after the `attempt`th failure; `chance` is between 0 and 1.
    pub(crate) fn after(&self, attempt: u32, chance: f64) -> Duration {
        let grown = self.factor.saturating_pow(attempt.saturating_sub(1));
        let whole = self.first.saturating_mul(grown).min(self.longest);
        whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses =
        Pauses { first: Duration::from_secs(10), factor: 2, longest: Duration::from_secs(3600) };

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds = |attempt| PAUSES.after(attempt, 1.0).as_secs();
        assert_eq!([1, 2, 3, 9, 10, 4_000_000_000].map(seconds), [10, 20, 40, 2560, 3600, 3600]);
    }

    #[test]
    fn chance_takes_at_most_half() {
        assert_eq!(PAUSES.after(1, 0.0), Duration::from_secs(5));
        assert_eq!(PAUSES.after(1, 0.5), Duration::from_millis(7500));
    }
}
