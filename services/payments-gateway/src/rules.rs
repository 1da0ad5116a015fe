//! What a tenant says about a way to pay, as data: where, for how much, in which order, for which fee,
//! under which names. Pure; the figures are minor units, the fee is rounded half up once.

use money::{Currency, Money};
use serde::{Deserialize, Serialize};

use crate::provider::Method;

/// A rule about a method. What is empty says nothing and leaves it to the method.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rule {
    pub(crate) disabled: bool,
    pub(crate) position: i32,
    pub(crate) countries: Vec<String>,
    pub(crate) currencies: Vec<String>,
    pub(crate) limits: Vec<Limit>,
    pub(crate) fees: Vec<Fee>,
    pub(crate) customer_pays_fee: bool,
    pub(crate) words: Vec<Words>,
}

/// For which amounts of a currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limit {
    pub(crate) currency: String,
    pub(crate) minimum: i64,
    pub(crate) maximum: i64,
}

/// What it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fee {
    pub(crate) currency: String,
    pub(crate) fixed: i64,
    pub(crate) basis_points: i32,
}

/// What the customer reads in a language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Words {
    pub(crate) locale: String,
    pub(crate) name: String,
    pub(crate) description: String,
}

/// Whom a method is offered to; empty texts and no amount mean any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wish<'a> {
    pub(crate) currency: &'a str,
    pub(crate) country: &'a str,
    pub(crate) amount: Option<Money>,
}

impl Rule {
    /// Whether a method is offered under this rule.
    pub(crate) fn offers(&self, method: &Method, wish: Wish<'_>) -> bool {
        let ours = |list: &[String], wish: &str| {
            list.is_empty() || wish.is_empty() || list.iter().any(|one| one == wish)
        };
        let theirs = |list: &[&str], wish: &str| list.is_empty() || wish.is_empty() || list.contains(&wish);
        !self.disabled
            && theirs(method.currencies, wish.currency)
            && theirs(method.countries, wish.country)
            && ours(&self.currencies, wish.currency)
            && ours(&self.countries, wish.country)
            && wish.amount.is_none_or(|amount| self.admits(amount))
    }

    /// Whether an amount is within the limits of its currency.
    pub(crate) fn admits(&self, amount: Money) -> bool {
        let code = amount.currency();
        let limit = self.limits.iter().find(|limit| limit.currency == code.code());
        limit.is_none_or(|limit| {
            let minor = amount.minor();
            minor >= limit.minimum && (limit.maximum == 0 || minor <= limit.maximum)
        })
    }

    /// What an amount costs by this method; nothing if it is free or cannot be said.
    pub(crate) fn fee(&self, amount: Money) -> Option<Money> {
        let code = amount.currency();
        let fits = |fee: &&Fee| fee.currency.is_empty() || fee.currency == code.code();
        let fee = self.fees.iter().find(fits)?;
        let part = amount.portion(i64::from(fee.basis_points), 10_000).ok()?;
        let fixed = if fee.currency.is_empty() { 0 } else { fee.fixed };
        part.plus(Money::new(fixed, code)).ok().filter(|fee| fee.is_positive())
    }

    /// Name and description for a locale: the same one, or the same language; nothing if neither.
    pub(crate) fn words(&self, locale: &str) -> Option<&Words> {
        let language = |locale: &str| locale.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let exact = self.words.iter().find(|words| words.locale.eq_ignore_ascii_case(locale));
        let near = || self.words.iter().find(|words| language(&words.locale) == language(locale));
        exact.or_else(near).filter(|_| !locale.is_empty())
    }

    /// What about the rule makes no sense: the pointer below `/rule`.
    pub(crate) fn complaint(&self) -> Option<String> {
        let currency = |code: &str| code.parse::<Currency>().is_ok();
        let country = |code: &str| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        let at = |list: &str, nth: usize| format!("/rule/{list}/{nth}");
        let wrong = |list: &str, nth: Option<usize>| nth.map(|nth| at(list, nth));
        wrong("countries", self.countries.iter().position(|code| !country(code)))
            .or_else(|| wrong("currencies", self.currencies.iter().position(|code| !currency(code))))
            .or_else(|| {
                let fits = |limit: &Limit| {
                    let ordered = limit.maximum == 0 || limit.maximum >= limit.minimum;
                    currency(&limit.currency) && limit.minimum >= 0 && ordered
                };
                wrong("limits", self.limits.iter().position(|limit| !fits(limit)))
            })
            .or_else(|| {
                let fits = |fee: &Fee| {
                    let named = currency(&fee.currency) || (fee.currency.is_empty() && fee.fixed == 0);
                    named && fee.fixed >= 0 && (0..=10_000).contains(&fee.basis_points)
                };
                wrong("fees", self.fees.iter().position(|fee| !fits(fee)))
            })
            .or_else(|| {
                let fits = |words: &Words| (2..=35).contains(&words.locale.len()) && !words.name.is_empty();
                wrong("words", self.words.iter().position(|words| !fits(words)))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHOD: Method =
        Method { code: "card", name: "Card", currencies: &["EUR", "JPY"], countries: &[], saves: true };

    fn eur(minor: i64) -> Money {
        Money::new(minor, Currency::EUR)
    }

    fn rule() -> Rule {
        let words = |locale: &str, name: &str| Words {
            locale: locale.to_owned(),
            name: name.to_owned(),
            description: String::new(),
        };
        Rule {
            countries: vec!["DE".to_owned()],
            limits: vec![Limit { currency: "EUR".to_owned(), minimum: 100, maximum: 10_000 }],
            fees: vec![
                Fee { currency: "EUR".to_owned(), fixed: 30, basis_points: 290 },
                Fee { currency: String::new(), fixed: 0, basis_points: 350 },
            ],
            words: vec![words("de", "Karte"), words("pt-BR", "Cartão")],
            ..Rule::default()
        }
    }

    #[test]
    fn a_method_is_offered_where_both_method_and_rule_say_so() {
        let rows = [
            ("EUR", "DE", Some(eur(100)), true),
            ("EUR", "DE", Some(eur(99)), false),
            ("EUR", "DE", Some(eur(10_001)), false),
            ("EUR", "FR", None, false),
            ("USD", "DE", None, false),
            ("JPY", "DE", Some(Money::new(1, Currency::JPY)), true),
            ("", "", None, true),
        ];
        for (currency, country, amount, offered) in rows {
            let wish = Wish { currency, country, amount };
            assert_eq!(rule().offers(&METHOD, wish), offered, "{wish:?}");
        }
        assert!(!Rule { disabled: true, ..rule() }.offers(&METHOD, Wish::default()));
    }

    #[test]
    fn a_fee_is_its_fixed_part_and_its_share_rounded_once() {
        // 2.9 % of 19.99 is 0.57971, so 0.58; and 0.30.
        assert_eq!(rule().fee(eur(1999)), Some(eur(88)));
        assert_eq!(rule().fee(Money::new(1000, Currency::JPY)), Some(Money::new(35, Currency::JPY)));
        assert_eq!(Rule::default().fee(eur(1999)), None);
    }

    #[test]
    fn words_are_found_by_locale_then_by_language() {
        let name = |locale: &str| rule().words(locale).map(|words| words.name.clone());
        assert_eq!(name("de-AT").as_deref(), Some("Karte"));
        assert_eq!(name("pt-BR").as_deref(), Some("Cartão"));
        assert_eq!((name("fr"), name("")), (None, None));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        assert_eq!(rule().complaint(), None);
        let limit = Limit { currency: "EUR".to_owned(), minimum: 5, maximum: 4 };
        let wrong = Rule { limits: vec![limit], ..rule() };
        assert_eq!(wrong.complaint().as_deref(), Some("/rule/limits/0"));
        let wrong = Rule { countries: vec!["de".to_owned()], ..rule() };
        assert_eq!(wrong.complaint().as_deref(), Some("/rule/countries/0"));
        let fee = Fee { currency: String::new(), fixed: 5, basis_points: 0 };
        let wrong = Rule { fees: vec![fee], ..rule() };
        assert_eq!(wrong.complaint().as_deref(), Some("/rule/fees/0"));
    }
}
