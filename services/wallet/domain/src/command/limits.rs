//! Limits: what a customer account may give, how much and how often. All of it is data.
//!
//! A rule applies to every operation it names; all rules that apply must allow it. Amounts are in
//! the smallest unit of the account's asset, so a rule with amounts names an asset.

use crate::Asset;

/// Most rules of one tenant.
pub const LIMIT_RULES_MAX: usize = 64;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRule {
    /// A stable word; counts go on when a rule of the same name replaces it.
    pub name: String,
    /// Only accounts of this asset; none for all.
    pub asset: Option<Asset>,
    /// Only these verbs; none for all.
    pub verbs: Vec<LimitedVerb>,
    /// Only when who acts has this role; none for everybody.
    pub role: Option<String>,
    /// Most units of one operation.
    pub operation_max: Option<i64>,
    /// Most units or operations within a time.
    pub window: Option<LimitWindow>,
    /// Most units to somebody new.
    pub new_recipient: Option<NewRecipient>,
}

/// A rolling window, counted in eighths of its length: never less than `seconds` and never more than
/// an eighth above are looked at, so the limit is never exceeded within any `seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitWindow {
    /// Its length, 8 seconds to 400 days.
    pub seconds: u32,
    /// Most units within it.
    pub amount_max: Option<i64>,
    /// Most operations within it.
    pub count_max: Option<u32>,
}

/// Transfers to a recipient the account first sent to less than `seconds` ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRecipient {
    /// For how long a recipient is new.
    pub seconds: u32,
    /// Most units sent to one while new.
    pub amount_max: i64,
}

/// What a limit can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LimitedVerb {
    /// Post, hold and usage: giving units for something.
    Spend = 1,
    /// Giving units to another user.
    Transfer = 2,
    /// Changing units into another asset.
    Convert = 3,
}

impl LimitWindow {
    /// An eighth of the window, in milliseconds.
    pub(crate) fn slice_ms(&self) -> i64 {
        i64::from(self.seconds).saturating_mul(125).max(1)
    }
}

impl LimitRule {
    /// Whether it is about this verb on accounts of this asset for somebody with these roles.
    pub(crate) fn applies(&self, verb: LimitedVerb, asset: Asset, roles: &[String]) -> bool {
        (self.verbs.is_empty() || self.verbs.contains(&verb))
            && self.asset.is_none_or(|only| only == asset)
            && self.role.as_ref().is_none_or(|role| roles.contains(role))
    }

    /// By what its counts are found.
    pub(crate) fn key(&self) -> u64 {
        rule_key(&self.name)
    }
}

/// By what the counts of the rule with this name are found.
pub(crate) fn rule_key(name: &str) -> u64 {
    twox_hash::XxHash3_64::oneshot(name.as_bytes())
}
