//! Between our minor units and a provider's integers.
//!
//! We count in the minor units of ISO 4217. Providers mostly do too, and differ where it hurts: some
//! count ISK and UGX in hundredths that do not exist, some take MGA whole, some take thousandths of a
//! dinar only in tens. An adapter names its exceptions here and converts nowhere else; what cannot be
//! said exactly is refused, never rounded.

use money::{Currency, Money};

/// How a provider counts one currency otherwise than ISO 4217 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exception {
    /// The currency.
    pub currency: &'static str,
    /// Digits after the point in the provider's integers.
    pub digits: u32,
    /// What the provider's integers must be a multiple of.
    pub step: i64,
}

/// How a provider counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counting(pub &'static [Exception]);

/// An amount that the other side cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the amount has no exact form over there")]
pub struct Inexact;

impl Counting {
    /// The provider's integer for an amount.
    ///
    /// # Errors
    /// When there is none.
    pub fn there(self, amount: Money) -> Result<i64, Inexact> {
        let (digits, step) = self.rule(amount.currency());
        let there = rescale(amount.minor(), amount.currency().exponent(), digits)?;
        if there.checked_rem(step) == Some(0) { Ok(there) } else { Err(Inexact) }
    }

    /// The amount that a provider's integer means.
    ///
    /// # Errors
    /// When it means none.
    pub fn here(self, there: i64, currency: Currency) -> Result<Money, Inexact> {
        let (digits, _) = self.rule(currency);
        rescale(there, digits, currency.exponent()).map(|minor| Money::new(minor, currency))
    }

    fn rule(self, currency: Currency) -> (u32, i64) {
        let exception = self.0.iter().find(|exception| exception.currency == currency.code());
        exception.map_or((currency.exponent(), 1), |exception| (exception.digits, exception.step))
    }
}

fn rescale(number: i64, from: u32, to: u32) -> Result<i64, Inexact> {
    let factor = 10_i64.checked_pow(from.abs_diff(to)).ok_or(Inexact)?;
    if to >= from {
        return number.checked_mul(factor).ok_or(Inexact);
    }
    if number.checked_rem(factor) == Some(0) {
        number.checked_div(factor).ok_or(Inexact)
    } else {
        Err(Inexact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: Counting = Counting(&[
        Exception { currency: "ISK", digits: 2, step: 100 },
        Exception { currency: "MGA", digits: 0, step: 1 },
        Exception { currency: "KWD", digits: 3, step: 10 },
    ]);

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, code.parse().unwrap())
    }

    #[test]
    fn without_exceptions_both_count_alike() {
        for code in ["EUR", "JPY", "KWD"] {
            assert_eq!(Counting::default().there(money(1999, code)), Ok(1999), "{code}");
        }
    }

    #[test]
    fn exceptions_are_exact_or_refused_and_lead_back() {
        let rows = [
            ("ISK", 5, Ok(500)),
            ("MGA", 500, Ok(5)),
            ("MGA", 550, Err(Inexact)),
            ("KWD", 1990, Ok(1990)),
            ("KWD", 1999, Err(Inexact)),
            ("ISK", i64::MAX, Err(Inexact)),
        ];
        for (code, minor, there) in rows {
            assert_eq!(ODD.there(money(minor, code)), there, "{minor} {code}");
            if let Ok(there) = there {
                assert_eq!(ODD.here(there, code.parse().unwrap()), Ok(money(minor, code)));
            }
        }
        assert_eq!(ODD.here(550, "ISK".parse().unwrap()), Err(Inexact), "half a krona");
    }
}
