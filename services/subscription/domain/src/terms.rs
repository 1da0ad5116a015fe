//! What a subscription is on: the price, the period and the promises of one plan version.
//!
//! Terms are a snapshot. A plan may get new versions; whoever subscribed keeps the terms that were
//! agreed until a change is asked for. Features are not part of it: they are read from the plan
//! version whenever somebody asks, and so are never stale copies.

use ids::{AddOnId, PlanId};
use money::Money;
use serde::{Deserialize, Serialize};

use crate::period::BillingPeriod;

/// Seats of one subscription.
pub const QUANTITY_MAX: i64 = 1_000_000;

/// The terms of one plan version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Which plan.
    pub plan_id: PlanId,
    /// Which version of it, from 1.
    pub version: u32,
    /// The plans among which a customer has one trial: `pro`.
    pub family: String,
    /// Price of one seat for one period, before or with tax as the plan says.
    pub price: Money,
    /// How long a period is.
    pub period: BillingPeriod,
    /// Tokens that come with every period.
    #[serde(default)]
    pub grant: Option<Grant>,
}

/// Tokens that come with every period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// How many, for each seat.
    pub units: i64,
    /// What becomes of those left at the end of the period.
    pub rest: Rest,
}

/// What becomes of granted tokens that are left at the end of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rest {
    /// They are lost.
    Expires,
    /// They stay.
    RollsOver,
}

/// An add-on that a subscription has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddOn {
    /// Which.
    pub add_on_id: AddOnId,
    /// Which version of it, from 1.
    pub version: u32,
    /// Price of one for one period of the subscription.
    pub price: Money,
    /// How many.
    pub quantity: i64,
}
