//! Billing periods, and the calendar they follow.
//!
//! Every boundary is counted from the anchor, never from the boundary before it: a subscription
//! that began on the 31st renews on the last day of February and on the 31st of March. Arithmetic
//! is civil, in the zone of the merchant: a day may have 23 or 25 hours, and a renewal at 02:30 on
//! the night that has no 02:30 comes as soon as that night allows (RFC 5545, section 3.3.5, as
//! `jiff` implements it).

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// The most units that a period may have.
const COUNT_MAX: u16 = 730;

/// What a period is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A civil day.
    Day,
    /// Seven civil days.
    Week,
    /// A month of the calendar.
    Month,
    /// Three months of the calendar.
    Quarter,
    /// Twelve months of the calendar.
    Year,
}

/// How long one billing period lasts: `1 month`, `10 day`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct BillingPeriod {
    unit: Unit,
    count: u16,
}

#[derive(Serialize, Deserialize)]
struct Written {
    unit: Unit,
    count: u16,
}

/// Why a date cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// A period of nothing, or of more than two years of days.
    #[error("a period has 1 to {COUNT_MAX} units")]
    CountOutOfRange,
    /// No zone of the IANA database has this name.
    #[error("unknown time zone")]
    ZoneUnknown,
    /// The date lies beyond the calendar.
    #[error("date out of range")]
    OutOfRange,
}

/// Where the count of periods begins, and by whose calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The beginning of period 0.
    pub at: Timestamp,
    /// IANA name of the zone: `Europe/Berlin`.
    pub zone: String,
}

/// One period: from `start`, included, to `end`, excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Which, counted from the anchor: 0, 1, 2.
    pub index: u32,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends and the next begins.
    pub end: Timestamp,
}

impl BillingPeriod {
    /// One month, the usual.
    pub const MONTH: Self = Self { unit: Unit::Month, count: 1 };
    /// One year.
    pub const YEAR: Self = Self { unit: Unit::Year, count: 1 };

    /// A period of `count` units.
    ///
    /// # Errors
    /// [`CalendarError::CountOutOfRange`].
    pub const fn new(unit: Unit, count: u16) -> Result<Self, CalendarError> {
        match count {
            1..=COUNT_MAX => Ok(Self { unit, count }),
            _ => Err(CalendarError::CountOutOfRange),
        }
    }

    /// What it is counted in.
    #[must_use]
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// How many of them.
    #[must_use]
    pub const fn count(self) -> u16 {
        self.count
    }

    /// How long it is in the calendar, for comparing: months, then days.
    #[must_use]
    pub const fn length(self) -> (i64, i64) {
        let count = self.count as i64;
        match self.unit {
            Unit::Day => (0, count),
            Unit::Week => (0, count.saturating_mul(7)),
            Unit::Month => (count, 0),
            Unit::Quarter => (count.saturating_mul(3), 0),
            Unit::Year => (count.saturating_mul(12), 0),
        }
    }

    /// `times` of it.
    fn span(self, times: u32) -> Result<Span, CalendarError> {
        let (months, days) = self.length();
        let of = |length: i64| length.checked_mul(i64::from(times)).ok_or(CalendarError::OutOfRange);
        let (months, days) = (of(months)?, of(days)?);
        let span = Span::new().try_months(months).and_then(|span| span.try_days(days));
        span.map_err(|_| CalendarError::OutOfRange)
    }
}

impl Anchor {
    /// The end of period `nth - 1` and beginning of period `nth`.
    ///
    /// # Errors
    /// [`CalendarError`].
    pub fn boundary(&self, length: BillingPeriod, nth: u32) -> Result<Timestamp, CalendarError> {
        let zone = TimeZone::get(&self.zone).map_err(|_| CalendarError::ZoneUnknown)?;
        let start = self.at.to_zoned(zone);
        let boundary = start.checked_add(length.span(nth)?).map_err(|_| CalendarError::OutOfRange)?;
        Ok(boundary.timestamp())
    }

    /// Period `index`.
    ///
    /// # Errors
    /// [`CalendarError`].
    pub fn period(&self, length: BillingPeriod, index: u32) -> Result<Period, CalendarError> {
        let next = index.checked_add(1).ok_or(CalendarError::OutOfRange)?;
        Ok(Period { index, start: self.boundary(length, index)?, end: self.boundary(length, next)? })
    }

    /// The moment `days` civil days after the anchor: the end of a trial.
    ///
    /// # Errors
    /// [`CalendarError`].
    pub fn after_days(&self, days: u16) -> Result<Timestamp, CalendarError> {
        match days {
            0 => Ok(self.at),
            days => self.boundary(BillingPeriod::new(Unit::Day, days)?, 1),
        }
    }
}

impl Period {
    /// Its length in seconds.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.end.duration_since(self.start).as_secs()
    }

    /// The seconds of it that are left at `at`, none before zero, all before its beginning.
    #[must_use]
    pub fn seconds_left(&self, at: Timestamp) -> i64 {
        self.end.duration_since(at.clamp(self.start, self.end)).as_secs()
    }
}

impl TryFrom<Written> for BillingPeriod {
    type Error = CalendarError;

    fn try_from(written: Written) -> Result<Self, CalendarError> {
        Self::new(written.unit, written.count)
    }
}

impl From<BillingPeriod> for Written {
    fn from(period: BillingPeriod) -> Self {
        Self { unit: period.unit, count: period.count }
    }
}
