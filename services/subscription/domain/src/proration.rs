//! What a change in the middle of a period costs.
//!
//! One function answers both the preview and the invoice. What was charged for the running part
//! ([`Segment`]) is given back for the seconds that are left, and the new price is charged for the
//! same seconds; or, when the new period has another length, the new period begins at once and is
//! charged whole. The one rounding is [`Money::portion`] (half away from zero), once for the credit
//! and once for the charge; what was used is what remains of the whole, so that used and credited
//! are together exactly what was charged.

use jiff::Timestamp;
use money::{Money, MoneyError};
use serde::{Deserialize, Serialize};

use crate::period::{Anchor, BillingPeriod, CalendarError, Period};
use crate::terms::Terms;

/// What was charged for a stretch of a period, and not given back since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// When the stretch begins.
    pub start: Timestamp,
    /// When it ends: the end of the period.
    pub end: Timestamp,
    /// What was charged for it, before tax, zero or more.
    pub amount: Money,
}

/// A change, priced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proration {
    /// Given back for the rest of what was charged, zero or more.
    pub credit: Money,
    /// Asked for the new terms, zero or more.
    pub charge: Money,
    /// The period that runs from the change on.
    pub period: Period,
    /// Where periods are counted from, from now on.
    pub anchor: Anchor,
}

/// Why a change has no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProrationError {
    /// A credit in one currency cannot pay a charge in another.
    #[error("the prices are in different currencies")]
    CurrencyDiffers,
    /// The change lies outside the running period.
    #[error("outside the running period")]
    OutsidePeriod,
    /// A date cannot be computed.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// An amount does not fit.
    #[error("amount out of range")]
    Overflow,
}

impl From<MoneyError> for ProrationError {
    fn from(error: MoneyError) -> Self {
        match error {
            MoneyError::CurrencyMismatch { .. } => Self::CurrencyDiffers,
            MoneyError::Overflow => Self::Overflow,
        }
    }
}

impl Segment {
    /// What is given back at `at`: the part of the amount that the remaining seconds are.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn unused(&self, at: Timestamp) -> Result<Money, MoneyError> {
        let stretch = self.as_period();
        match stretch.seconds() {
            0 => Ok(Money::zero(self.amount.currency())),
            whole => self.amount.portion(stretch.seconds_left(at), whole),
        }
    }

    /// What was used up at `at`: the rest.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn used(&self, at: Timestamp) -> Result<Money, MoneyError> {
        self.amount.minus(self.unused(at)?)
    }

    const fn as_period(&self) -> Period {
        Period { index: 0, start: self.start, end: self.end }
    }
}

/// What runs, as far as a change needs to know it.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// What was charged for the stretch that runs.
    pub segment: &'a Segment,
    /// The period that runs.
    pub period: Period,
    /// How long its periods are.
    pub length: BillingPeriod,
    /// Where they are counted from.
    pub anchor: &'a Anchor,
}

/// Prices the change to `quantity` of `terms` at `at`.
///
/// # Errors
/// [`ProrationError`].
pub fn prorate(
    running: Running<'_>,
    terms: &Terms,
    quantity: i64,
    at: Timestamp,
) -> Result<Proration, ProrationError> {
    if at < running.period.start || at >= running.period.end {
        return Err(ProrationError::OutsidePeriod);
    }
    let credit = running.segment.unused(at)?;
    let whole = terms.price.times(quantity)?;
    if whole.currency() != credit.currency() {
        return Err(ProrationError::CurrencyDiffers);
    }
    if terms.period.length() == running.length.length() {
        let charge = whole.portion(running.period.seconds_left(at), running.period.seconds())?;
        return Ok(Proration { credit, charge, period: running.period, anchor: running.anchor.clone() });
    }
    let anchor = Anchor { at, zone: running.anchor.zone.clone() };
    let period = anchor.period(terms.period, 0)?;
    Ok(Proration { credit, charge: whole, period, anchor })
}

impl Proration {
    /// What is to be paid; below zero it is owed to the customer.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn due(&self) -> Result<Money, MoneyError> {
        self.charge.minus(self.credit)
    }

    /// What the new terms were charged, for the next change.
    #[must_use]
    pub fn segment(&self, at: Timestamp) -> Segment {
        Segment { start: at, end: self.period.end, amount: self.charge }
    }
}
