//! Plans and add-ons as documents: what a version may say.
//!
//! A plan has texts that can be edited, and versions that cannot: prices, trial, grant, features
//! and access levels are part of a version, because customers have agreed to them. Every rule here
//! looks at the submission alone, and names every part that is wrong.

use std::collections::BTreeSet;

use ids::PlanId;
use money::Money;
use serde::{Deserialize, Serialize};

use crate::feature::Feature;
use crate::period::BillingPeriod;
use crate::terms::Grant;

const PRICES_MAX: usize = 200;
const FEATURES_MAX: usize = 200;
const ACCESS_LEVELS_MAX: usize = 20;
const TRIAL_DAYS_MAX: u16 = 730;
const GRANT_UNITS_MAX: i64 = 1_000_000_000;
const KEY_MAX: usize = 100;
const SLUG_MAX: usize = 60;
const NAME_MAX: usize = 200;
const DESCRIPTION_MAX: usize = 4_000;
const PLAN_IDS_MAX: usize = 100;

/// What kind of offer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Subscribed to by itself.
    Plan,
    /// Added to a subscription.
    AddOn,
}

/// Whether it is sold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sale {
    /// Not yet.
    Draft,
    /// On sale.
    Active,
    /// No more.
    Archived,
}

/// The part of a plan that can be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Face {
    /// What customers read.
    pub name: String,
    /// What customers read next.
    pub description: String,
    /// Slug of its category; empty for none.
    pub category: String,
    /// Place in the list.
    pub sort_order: i32,
    /// Of an add-on: the plans it goes with; empty: any.
    pub plan_ids: Vec<PlanId>,
}

/// A price of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// How long a period is.
    pub period: BillingPeriod,
    /// For one seat and period.
    pub price: Money,
    /// Once, with the first period.
    #[serde(default)]
    pub setup_fee: Option<Money>,
}

/// A feature under its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promised {
    /// `resource.feature`.
    pub key: String,
    /// What is promised.
    #[serde(flatten)]
    pub feature: Feature,
}

/// What a version says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// At most one for each period and currency.
    pub prices: Vec<Price>,
    /// Days free of charge before the first period.
    pub trial_days: u16,
    /// Which tax class applies.
    pub tax_class: String,
    /// Tokens that come with every period.
    pub grant: Option<Grant>,
    /// What is promised.
    pub features: Vec<Promised>,
    /// Slugs of the access levels that are given while it runs.
    pub access_levels: Vec<String>,
}

/// A part that is wrong: its JSON pointer, and a stable code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// JSON pointer into the submission: `/prices/0/price`.
    pub pointer: String,
    /// What is wrong with it.
    pub code: &'static str,
}

impl Sale {
    /// As it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
            Self::Archived => "archived",
        }
    }
}

impl Kind {
    /// As it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::AddOn => "add_on",
        }
    }
}

/// Whether a text can stand in an address: `pro-2026`.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=SLUG_MAX).contains(&text.len())
        && text.split('-').all(|part| !part.is_empty() && part.bytes().all(plain))
}

fn is_key(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=KEY_MAX).contains(&text.len())
        && text.split('.').all(|part| !part.is_empty() && part.bytes().all(plain))
}

fn flaw(pointer: impl Into<String>, code: &'static str) -> Flaw {
    Flaw { pointer: pointer.into(), code }
}

/// The flaws among `rules`: pointer, code, and whether the rule holds.
fn broken<const N: usize>(rules: [(&str, &'static str, bool); N]) -> Vec<Flaw> {
    let broken = rules.into_iter().filter(|(.., holds)| !holds);
    broken.map(|(pointer, code, _)| flaw(pointer, code)).collect()
}

impl Face {
    /// What is wrong with it.
    #[must_use]
    pub fn flaws(&self, kind: Kind) -> Vec<Flaw> {
        let name = self.name.trim();
        broken([
            ("/name", "out_of_range", !name.is_empty() && name.chars().count() <= NAME_MAX),
            ("/description", "out_of_range", self.description.chars().count() <= DESCRIPTION_MAX),
            ("/category", "malformed", self.category.is_empty() || is_slug(&self.category)),
            ("/plan_ids", "not_an_add_on", kind == Kind::AddOn || self.plan_ids.is_empty()),
            ("/plan_ids", "out_of_range", self.plan_ids.len() <= PLAN_IDS_MAX),
        ])
    }
}

impl Version {
    /// What is wrong with it; pointers begin at the version.
    #[must_use]
    pub fn flaws(&self, kind: Kind) -> Vec<Flaw> {
        let levels: BTreeSet<_> = self.access_levels.iter().collect();
        let mut flaws = broken([
            ("/prices", "missing", !self.prices.is_empty()),
            ("/prices", "out_of_range", self.prices.len() <= PRICES_MAX),
            ("/trial_days", "out_of_range", self.trial_days <= TRIAL_DAYS_MAX),
            ("/trial_days", "not_a_plan", kind == Kind::Plan || self.trial_days == 0),
            ("/tax_class", "malformed", is_key(&self.tax_class)),
            ("/grant/units", "out_of_range", self.grant.as_ref().is_none_or(grant_fits)),
            ("/features", "out_of_range", self.features.len() <= FEATURES_MAX),
            ("/access_levels", "out_of_range", self.access_levels.len() <= ACCESS_LEVELS_MAX),
            ("/access_levels", "malformed", self.access_levels.iter().all(|slug| is_slug(slug))),
            ("/access_levels", "duplicate", levels.len() == self.access_levels.len()),
        ]);
        flaws.extend(self.price_flaws());
        flaws.extend(self.feature_flaws());
        flaws
    }

    fn price_flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut seen = BTreeSet::new();
        for (place, Price { period, price, setup_fee }) in self.prices.iter().enumerate() {
            if price.minor() < 0 {
                flaws.push(flaw(format!("/prices/{place}/price"), "out_of_range"));
            }
            if setup_fee.is_some_and(|fee| fee.minor() < 0) {
                flaws.push(flaw(format!("/prices/{place}/setup_fee"), "out_of_range"));
            }
            if setup_fee.is_some_and(|fee| fee.currency() != price.currency()) {
                flaws.push(flaw(format!("/prices/{place}/setup_fee"), "currency_differs"));
            }
            // Twelve months and a year are one period: a customer could not tell the two apart.
            if !seen.insert((period.length(), price.currency())) {
                flaws.push(flaw(format!("/prices/{place}"), "duplicate"));
            }
        }
        flaws
    }

    fn feature_flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let mut seen = BTreeSet::new();
        for (place, Promised { key, feature }) in self.features.iter().enumerate() {
            if !is_key(key) {
                flaws.push(flaw(format!("/features/{place}/key"), "malformed"));
            }
            if !seen.insert(key) {
                flaws.push(flaw(format!("/features/{place}/key"), "duplicate"));
            }
            let (part, fits) = match feature {
                Feature::Switch { .. } => ("switch", true),
                Feature::Limit { most } => ("limit/most", most.is_none_or(|most| most >= 0)),
                Feature::Quota { most, .. } => ("quota/most", most.is_none_or(|most| most >= 0)),
                Feature::Choice { value, .. } => {
                    ("choice/value", (1..=KEY_MAX).contains(&value.chars().count()))
                }
            };
            if !fits {
                flaws.push(flaw(format!("/features/{place}/{part}"), "out_of_range"));
            }
        }
        flaws
    }
}

fn grant_fits(grant: &Grant) -> bool {
    (1..=GRANT_UNITS_MAX).contains(&grant.units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feature::Reset;
    use crate::period::Unit;
    use crate::samples::eur;
    use crate::terms::Rest;

    fn version() -> Version {
        Version {
            prices: vec![
                Price { period: BillingPeriod::MONTH, price: eur(2_000), setup_fee: None },
                Price { period: BillingPeriod::YEAR, price: eur(20_000), setup_fee: Some(eur(500)) },
            ],
            trial_days: 14,
            tax_class: "digital".to_owned(),
            grant: Some(Grant { units: 100, rest: Rest::Expires }),
            features: vec![Promised {
                key: "chat.messages".to_owned(),
                feature: Feature::Quota { most: Some(1_000), reset: Reset::Period },
            }],
            access_levels: vec!["pro".to_owned()],
        }
    }

    fn found(kind: Kind, change: impl FnOnce(&mut Version)) -> Vec<(String, &'static str)> {
        let mut version = version();
        change(&mut version);
        version.flaws(kind).into_iter().map(|flaw| (flaw.pointer, flaw.code)).collect()
    }

    fn one(pointer: &str, code: &'static str) -> Vec<(String, &'static str)> {
        vec![(pointer.to_owned(), code)]
    }

    #[test]
    fn a_sound_version_has_no_flaws() {
        assert_eq!(found(Kind::Plan, |_| ()), []);
        assert_eq!(found(Kind::Plan, |version| version.prices[0].price = eur(0)), [], "a free plan");
    }

    #[test]
    fn prices_are_not_negative_and_named_once() {
        let twice = |version: &mut Version| {
            version.prices[0].period = BillingPeriod::new(Unit::Month, 12).unwrap();
        };
        assert_eq!(found(Kind::Plan, twice), one("/prices/1", "duplicate"), "twelve months are a year");
        assert_eq!(
            found(Kind::Plan, |v| v.prices[1].price = eur(-1)),
            one("/prices/1/price", "out_of_range")
        );
        let yen = Money::new(5, money::Currency::JPY);
        let fee = |version: &mut Version| version.prices[1].setup_fee = Some(yen);
        assert_eq!(found(Kind::Plan, fee), one("/prices/1/setup_fee", "currency_differs"));
        assert_eq!(found(Kind::Plan, |v| v.prices.clear()), one("/prices", "missing"));
    }

    #[test]
    fn an_add_on_has_no_trial() {
        assert_eq!(found(Kind::AddOn, |_| ()), one("/trial_days", "not_a_plan"));
    }

    #[test]
    fn features_have_proper_keys_and_bounds() {
        let key = |text: &'static str| move |version: &mut Version| version.features[0].key = text.to_owned();
        for wrong in ["", "Chat", "chat..x", ".chat", "chat messages"] {
            assert_eq!(found(Kind::Plan, key(wrong)), one("/features/0/key", "malformed"), "{wrong}");
        }
        let twice = |version: &mut Version| version.features.push(version.features[0].clone());
        assert_eq!(found(Kind::Plan, twice), one("/features/1/key", "duplicate"));
        let below = |version: &mut Version| version.features[0].feature = Feature::Limit { most: Some(-1) };
        assert_eq!(found(Kind::Plan, below), one("/features/0/limit/most", "out_of_range"));
    }

    #[test]
    fn only_add_ons_go_with_plans() {
        let face = Face {
            name: "More seats".to_owned(),
            description: String::new(),
            category: String::new(),
            sort_order: 0,
            plan_ids: vec![PlanId::new()],
        };
        assert_eq!(face.flaws(Kind::AddOn), []);
        assert_eq!(face.flaws(Kind::Plan), [flaw("/plan_ids", "not_an_add_on")]);
    }

    #[test]
    fn slugs_can_stand_in_addresses() {
        for good in ["pro", "pro-2026", "a", "4"] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "-pro", "pro-", "a--b", "Pro", "pro plan", "é"] {
            assert!(!is_slug(bad), "{bad}");
        }
    }
}
