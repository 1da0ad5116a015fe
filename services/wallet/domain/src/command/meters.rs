//! Metering: what use of something costs, and counting it.
//!
//! A meter has one price per `per` units in every tier; use of a period climbs through the tiers
//! (graduated pricing). The charge of a use is the difference of the period's cost, rounded up,
//! after and before it, so rounding never adds up to more than one unit per period.

use ids::{AccountId, OperationId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::Asset;

/// Most tiers of a meter.
pub const TIERS_MAX: usize = 16;

/// How use of something is counted and charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// A stable word: `api_calls`, `tokens_out`.
    pub name: String,
    /// In what it is charged.
    pub asset: Asset,
    /// Prices are for so many units, 1 or above.
    pub per: i64,
    /// By rising `up_to`; the last one is open.
    pub tiers: Vec<Tier>,
    /// When counting begins anew.
    pub period: Period,
    /// Most units within a period; none for no quota.
    pub quota: Option<i64>,
}

/// A price for a stretch of use within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// Units of the period up to which it holds; none for the rest.
    pub up_to: Option<i64>,
    /// Smallest units of the asset for [`Meter::per`] units, 0 or above.
    pub price: i64,
}

/// When counting begins anew, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Period {
    /// Never.
    Ever = 1,
    /// At midnight.
    Day = 2,
    /// On the first of a month.
    Month = 3,
    /// On the first of January.
    Year = 4,
}

/// Reserves what a use of at most `quantity` can cost; the operation id is the hold's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveUsage {
    /// The meter.
    pub meter: String,
    /// Who uses.
    pub account: AccountId,
    /// Who earns.
    pub credit: AccountId,
    /// Most units that will be used.
    pub quantity: i64,
    /// When the reservation ends by itself; none for never.
    pub expires_at_ms: Option<i64>,
}

/// Charges what a reserved use did cost, counts it, releases the rest: one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleUsage {
    /// The reservation.
    pub hold: OperationId,
    /// Units that were used, 0 to what was reserved.
    pub quantity: i64,
}

/// Charges and counts a use at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordUsage {
    /// The meter.
    pub meter: String,
    /// Who uses.
    pub account: AccountId,
    /// Who earns.
    pub credit: AccountId,
    /// Units that were used, above zero.
    pub quantity: i64,
}

impl Meter {
    /// Cost of the first `quantity` units of a period, rounded up; none when out of range.
    #[must_use]
    pub fn cost(&self, quantity: i64) -> Option<i64> {
        let (mut total, mut from) = (0_i128, 0_i64);
        for tier in &self.tiers {
            let to = tier.up_to.map_or(quantity, |up_to| up_to.min(quantity));
            let units = i128::from(to.saturating_sub(from).max(0));
            total = total.checked_add(units.checked_mul(i128::from(tier.price))?)?;
            from = from.max(to);
        }
        ceil(total, self.per)
    }

    /// What `quantity` more units cost when `used` were used before in the period.
    #[must_use]
    pub fn charge(&self, used: i64, quantity: i64) -> Option<i64> {
        self.cost(used.checked_add(quantity)?)?.checked_sub(self.cost(used)?)
    }

    /// The most that `quantity` units can cost, wherever in the period they fall.
    #[must_use]
    pub fn worst_case(&self, quantity: i64) -> Option<i64> {
        let dearest = self.tiers.iter().map(|tier| tier.price).max()?;
        ceil(i128::from(dearest).checked_mul(i128::from(quantity))?, self.per)
    }
}

fn ceil(total: i128, per: i64) -> Option<i64> {
    let per = i128::from(per.max(1));
    i64::try_from(total.checked_add(per.checked_sub(1)?)?.checked_div(per)?).ok()
}

impl Period {
    /// Every period, in the order of its number.
    pub const ALL: [Self; 4] = [Self::Ever, Self::Day, Self::Month, Self::Year];

    /// The period with this number.
    #[must_use]
    pub fn numbered(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|period| u32::from(*period as u8) == number)
    }

    /// When the period in which `at_ms` lies began, milliseconds since 1970.
    #[must_use]
    pub fn start_ms(self, at_ms: i64) -> i64 {
        let begin = |at: Timestamp| {
            let date = at.to_zoned(TimeZone::UTC).date();
            let first = match self {
                Self::Ever => return None,
                Self::Day => date,
                Self::Month => date.first_of_month(),
                Self::Year => date.first_of_year(),
            };
            Date::to_zoned(first, TimeZone::UTC).ok().map(|begin| begin.timestamp().as_millisecond())
        };
        Timestamp::from_millisecond(at_ms).ok().and_then(begin).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(per: i64, tiers: &[(Option<i64>, i64)]) -> Meter {
        let tiers = tiers.iter().map(|(up_to, price)| Tier { up_to: *up_to, price: *price }).collect();
        Meter {
            name: "calls".to_owned(),
            asset: Asset::TOKEN,
            per,
            tiers,
            period: Period::Month,
            quota: None,
        }
    }

    #[test]
    fn use_climbs_through_the_tiers() {
        let meter = meter(1, &[(Some(100), 0), (Some(1_000), 5), (None, 2)]);
        let costs = [0, 100, 101, 1_000, 1_001].map(|quantity| meter.cost(quantity).unwrap());
        assert_eq!(costs, [0, 0, 5, 4_500, 4_502]);
        assert_eq!(meter.charge(99, 3), Some(10));
    }

    #[test]
    fn rounding_never_adds_up() {
        let meter = meter(1_000, &[(None, 3)]);
        let one_by_one: i64 = (0..1_000).map(|used| meter.charge(used, 1).unwrap()).sum();
        assert_eq!((one_by_one, meter.cost(1_000)), (3, Some(3)));
    }

    #[test]
    fn the_worst_case_is_never_exceeded() {
        let meter = meter(7, &[(Some(10), 3), (Some(20), 11), (None, 2)]);
        for used in 0..40 {
            for quantity in 0..40 {
                assert!(meter.charge(used, quantity).unwrap() <= meter.worst_case(quantity).unwrap());
            }
        }
    }

    #[test]
    fn what_is_out_of_range_has_no_cost() {
        assert_eq!(meter(1, &[(None, i64::MAX)]).cost(3), None);
        assert_eq!(meter(1, &[(None, 1)]).charge(i64::MAX, 1), None);
    }

    #[test]
    fn periods_begin_in_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().as_millisecond();
        let noon = at("2026-02-28T23:59:59.999Z");
        assert_eq!(Period::Day.start_ms(noon), at("2026-02-28T00:00:00Z"));
        assert_eq!(Period::Month.start_ms(noon), at("2026-02-01T00:00:00Z"));
        assert_eq!(Period::Year.start_ms(noon), at("2026-01-01T00:00:00Z"));
        assert_eq!(Period::Ever.start_ms(noon), 0);
    }
}
