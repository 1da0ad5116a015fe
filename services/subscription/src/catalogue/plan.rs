//! A plan as it is read: its face, and its latest version with the ids of its prices.

use ids::{PlanId, PriceId};
use jiff::Timestamp;
use money::Currency;
use subscription_domain::catalogue::{Face, Kind, Price, Sale, Version};

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// What kind of offer it is.
    pub kind: Kind,
    /// Its name in addresses.
    pub slug: String,
    /// What can be edited.
    pub face: Face,
    /// Whether it is sold.
    pub sale: Sale,
    /// What is sold.
    pub version: PricedVersion,
    /// Counts changes.
    pub revision: i64,
}

/// A version whose prices have ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricedVersion {
    /// From 1.
    pub number: i32,
    /// What it says.
    pub body: Version,
    /// The ids of its prices, in their order.
    pub price_ids: Vec<PriceId>,
    /// Since when.
    pub published_at: Timestamp,
}

impl PricedVersion {
    /// Whether it says exactly that.
    #[must_use]
    pub fn says(&self, version: &Version) -> bool {
        self.body == *version
    }

    /// Its prices with their ids.
    pub fn prices(&self) -> impl Iterator<Item = (PriceId, &Price)> {
        self.price_ids.iter().copied().zip(&self.body.prices)
    }

    /// The version with the prices in one currency only; `None` when it has none.
    #[must_use]
    pub fn in_currency(&self, currency: Currency) -> Option<Self> {
        let kept = || self.prices().filter(|(_, price)| price.price.currency() == currency);
        let prices: Vec<_> = kept().map(|(_, price)| price.clone()).collect();
        if prices.is_empty() {
            return None;
        }
        let body = Version { prices, ..self.body.clone() };
        Some(Self { body, price_ids: kept().map(|(id, _)| id).collect(), ..self.clone() })
    }
}
