//! Token bundles: documents with a revision, checked by what was submitted alone.

mod catalogue;
mod table;

use fault::Fault;
use ids::BundleId;
use money::{Currency, Money};

pub use catalogue::Catalogue;

/// Most characters of a name.
const NAME_MAX: usize = 200;
/// Most characters of a description.
const DESCRIPTION_MAX: usize = 4_000;
/// Most tokens of one bundle; a million of them still fit a balance.
const TOKENS_MAX: i64 = 1_000_000_000_000;

/// A bundle as it was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleBody {
    /// What customers read.
    pub name: String,
    /// What customers read next.
    pub description: String,
    /// Tokens per unit.
    pub tokens: i64,
    /// At most one price per currency.
    pub prices: Vec<Money>,
    /// Whether it can be bought.
    pub active: bool,
    /// Place in the list.
    pub sort_order: i32,
}

/// A bundle as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Its id.
    pub id: BundleId,
    /// What was submitted last.
    pub body: BundleBody,
    /// Counts changes.
    pub revision: i64,
}

impl BundleBody {
    /// Checks the submission.
    ///
    /// # Errors
    /// Invalid input naming every part that is wrong.
    pub fn check(&self) -> fault::Result<()> {
        let name = self.name.trim();
        let currencies: std::collections::BTreeSet<_> =
            self.prices.iter().map(|price| price.currency()).collect();
        let rules = [
            ("/name", "out_of_range", !name.is_empty() && name.chars().count() <= NAME_MAX),
            ("/description", "out_of_range", self.description.chars().count() <= DESCRIPTION_MAX),
            ("/tokens", "out_of_range", (1..=TOKENS_MAX).contains(&self.tokens)),
            ("/prices", "missing", !self.prices.is_empty()),
            ("/prices", "duplicate_currency", currencies.len() == self.prices.len()),
            ("/prices", "out_of_range", self.prices.iter().all(|price| price.is_positive())),
        ];
        let wrong = rules.into_iter().filter(|(.., holds)| !holds);
        let fault = wrong.fold(None, |fault: Option<Fault>, (pointer, code, _)| {
            Some(match fault {
                None => Fault::invalid(pointer, code, "The bundle is not valid."),
                Some(fault) => fault.with_violation(pointer, code),
            })
        });
        fault.map_or(Ok(()), Err)
    }

    /// The price in a currency, if it is offered.
    #[must_use]
    pub fn price(&self, currency: Currency) -> Option<Money> {
        self.prices.iter().copied().find(|price| price.currency() == currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_bundle() -> BundleBody {
        BundleBody {
            name: "500 tokens".to_owned(),
            description: String::new(),
            tokens: 500,
            prices: vec![Money::new(500, Currency::EUR), Money::new(600, Currency::USD)],
            active: true,
            sort_order: 1,
        }
    }

    #[test]
    fn a_sound_bundle_passes_and_has_its_prices() {
        assert!(a_bundle().check().is_ok());
        assert_eq!(a_bundle().price(Currency::USD), Some(Money::new(600, Currency::USD)));
        assert_eq!(a_bundle().price(Currency::JPY), None);
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let bundle = BundleBody {
            name: " ".to_owned(),
            tokens: 0,
            prices: vec![Money::new(0, Currency::EUR), Money::new(1, Currency::EUR)],
            ..a_bundle()
        };
        let fault = bundle.check().unwrap_err();
        let named: Vec<_> =
            fault.violations().iter().map(|wrong| (wrong.pointer.as_str(), wrong.code.as_str())).collect();
        let expected = [
            ("/name", "out_of_range"),
            ("/tokens", "out_of_range"),
            ("/prices", "duplicate_currency"),
            ("/prices", "out_of_range"),
        ];
        assert_eq!(named, expected);
    }
}
