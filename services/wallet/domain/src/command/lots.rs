//! Credit lots: units that came together, with their source, priority and expiry.

use std::sync::Arc;

use super::Leg;

/// Units outside of lots are spent as if they lay in a lot of this priority that never expires.
pub const LOT_PRIORITY_GENERAL: u8 = 100;

/// What was agreed for the units of a lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotTerms {
    /// Where they come from, a stable word: `purchase`, `plan`, `gift`.
    pub source: Arc<str>,
    /// Lots with a lower number are spent first.
    pub priority: u8,
    /// When what is left moves to breakage, the tenant's time; none for never.
    pub expires_at_ms: Option<i64>,
    /// The recurring grant it belongs to (`subscription/<id>`), if any: digest of its name.
    pub series: u64,
}

/// What a grant does with what is left of the earlier grants of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RollOver {
    /// It stays until its own expiry.
    #[default]
    Keep,
    /// Nothing is carried over: the rest moves to breakage.
    None,
    /// All of it moves into the new lot.
    All,
    /// At most so many units move into the new lot, the rest to breakage.
    Capped(i64),
}

/// Credits a lot: from a system account to a customer account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// From where, to whom, how much.
    pub leg: Leg,
    /// On which terms.
    pub terms: LotTerms,
    /// What happens to what is left of the series.
    pub roll_over: RollOver,
}

impl LotTerms {
    /// Units from `source` that never expire.
    #[must_use]
    pub fn lasting(source: &str) -> Self {
        Self { source: Arc::from(source), priority: LOT_PRIORITY_GENERAL, expires_at_ms: None, series: 0 }
    }

    /// The number by which a series is known; 0 for none.
    #[must_use]
    pub fn series(name: &str) -> u64 {
        if name.is_empty() { 0 } else { twox_hash::XxHash3_64::oneshot(name.as_bytes()).max(1) }
    }
}

impl RollOver {
    /// How much of `left` is carried over and how much expires, if anything is decided at all.
    pub(crate) fn split(self, left: i64) -> Option<(i64, i64)> {
        let carried = match self {
            Self::Keep => return None,
            Self::None => 0,
            Self::All => left,
            Self::Capped(most) => left.min(most.max(0)),
        };
        Some((carried, left.saturating_sub(carried)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roll_over_splits_what_is_left() {
        let splits =
            [RollOver::Keep, RollOver::None, RollOver::All, RollOver::Capped(3), RollOver::Capped(30)]
                .map(|policy| policy.split(10));
        assert_eq!(splits, [None, Some((0, 10)), Some((10, 0)), Some((3, 7)), Some((10, 0))]);
    }

    #[test]
    fn a_series_has_a_number_and_none_has_zero() {
        assert_eq!(LotTerms::series(""), 0);
        assert_ne!(LotTerms::series("subscription/1"), LotTerms::series("subscription/2"));
    }
}
