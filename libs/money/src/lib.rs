//! Money: integer minor units of one currency.
//!
//! Amounts never meet a float and never overflow silently: every operation is checked and says
//! what went wrong. Adding euros to yen is an error, not a number. The one place where a fraction
//! can appear is [`Money::portion`]; its rounding rule is stated there and used everywhere.
//! Formatting for people is the front ends' work; here is only what the books need.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod currency;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use currency::{Currency, UnknownCurrency};

/// An amount in minor units of one currency; may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

/// Why two amounts could not be combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The amounts are in different currencies.
    #[error("cannot combine {left} with {right}")]
    CurrencyMismatch {
        /// Currency of the left operand.
        left: Currency,
        /// Currency of the right operand.
        right: Currency,
    },
    /// The result does not fit 64 bits.
    #[error("amount out of range")]
    Overflow,
}

impl Money {
    /// `minor` units of `currency`: `Money::new(100, EUR)` is one euro.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// The amount in minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether the amount is exactly zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// Whether the amount is above zero.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.minor > 0
    }

    /// Sum of two amounts of the same currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with_minor(self.minor.checked_add(other.minor))
    }

    /// Difference of two amounts of the same currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
    pub fn minus(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with_minor(self.minor.checked_sub(other.minor))
    }

    /// The amount `quantity` times.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub fn times(self, quantity: i64) -> Result<Self, MoneyError> {
        self.with_minor(self.minor.checked_mul(quantity))
    }

    /// `numerator / denominator` of the amount, rounded half away from zero to a minor unit
    /// (EN 16931 leaves the method open; this is what tax offices' examples use).
    ///
    /// # Errors
    /// [`MoneyError::Overflow`], also for a denominator of zero or below.
    pub fn portion(self, numerator: i64, denominator: i64) -> Result<Self, MoneyError> {
        if denominator <= 0 {
            return Err(MoneyError::Overflow);
        }
        let product =
            i128::from(self.minor).checked_mul(i128::from(numerator)).ok_or(MoneyError::Overflow)?;
        let rounded =
            round_half_away_from_zero(product, i128::from(denominator)).ok_or(MoneyError::Overflow)?;
        self.with_minor(i64::try_from(rounded).ok())
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::CurrencyMismatch { left: self.currency, right: other.currency })
    }

    fn with_minor(self, minor: Option<i64>) -> Result<Self, MoneyError> {
        minor.map(|minor| Self { minor, ..self }).ok_or(MoneyError::Overflow)
    }
}

/// Sums amounts of one currency; the sum of none is zero.
///
/// # Errors
/// [`MoneyError::CurrencyMismatch`] or [`MoneyError::Overflow`].
pub fn sum(currency: Currency, amounts: impl IntoIterator<Item = Money>) -> Result<Money, MoneyError> {
    amounts.into_iter().try_fold(Money::zero(currency), Money::plus)
}

/// Twice the remainder against the divisor decides; exact in integers.
fn round_half_away_from_zero(value: i128, divisor: i128) -> Option<i128> {
    let quotient = value.checked_div(divisor)?;
    let remainder = value.checked_rem(divisor)?;
    let away = remainder.checked_abs()?.checked_mul(2)? >= divisor;
    if away { quotient.checked_add(value.signum()) } else { Some(quotient) }
}

impl fmt::Display for Money {
    /// Minor units and code, for logs: `1999 EUR`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.minor, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn eur(minor: i64) -> Money {
        Money::new(minor, Currency::EUR)
    }

    #[test]
    fn different_currencies_do_not_mix() {
        let yen = Money::new(1, Currency::JPY);
        let refused = MoneyError::CurrencyMismatch { left: Currency::EUR, right: Currency::JPY };
        assert_eq!(eur(1).plus(yen), Err(refused));
    }

    #[test]
    fn overflow_is_an_error() {
        assert_eq!(eur(i64::MAX).plus(eur(1)), Err(MoneyError::Overflow));
        assert_eq!(eur(i64::MAX).times(2), Err(MoneyError::Overflow));
    }

    #[test]
    fn half_a_cent_rounds_away_from_zero() {
        for (minor, expected) in [(1, 1), (-1, -1), (3, 2), (2, 1), (0, 0)] {
            assert_eq!(eur(minor).portion(1, 2), Ok(eur(expected)), "half of {minor}");
        }
    }

    #[allow(clippy::arithmetic_side_effects, reason = "the law in wide integers")]
    mod laws {
        use super::*;
        proptest! {
            #[test]
            fn a_portion_is_within_half_a_unit(minor in -1_000_000_000i64..1_000_000_000, n in 0i64..10_000, d in 1i64..10_000) {
                let portion = eur(minor).portion(n, d).unwrap();
                let error = (i128::from(portion.minor()) * i128::from(d) - i128::from(minor) * i128::from(n)).abs();
                prop_assert!(error * 2 <= i128::from(d));
            }

            #[test]
            fn what_is_added_can_be_taken_away(a in any::<i32>(), b in any::<i32>()) {
                let (a, b) = (eur(i64::from(a)), eur(i64::from(b)));
                prop_assert_eq!(a.plus(b).unwrap().minus(b).unwrap(), a);
            }
        }
    }
}
