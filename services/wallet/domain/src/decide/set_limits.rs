//! Replace the tenant's limits. They hold from the next operation on; counts of a rule go on under
//! its name.

use std::collections::HashSet;

use crate::effect::{Change, LimitsSet};
use crate::plan::Plan;
use crate::{LIMIT_RULES_MAX, LimitRule, LimitWindow, Rejection, stored};

/// Shortest and longest window, in seconds.
const WINDOW_SECONDS: std::ops::RangeInclusive<u32> = 8..=400 * 24 * 3_600;

pub(super) fn set_limits(plan: &mut Plan<'_>, rules: &[LimitRule]) -> Result<(), Rejection> {
    if rules.len() > LIMIT_RULES_MAX {
        return Err(Rejection::malformed("/rules", "at most 64"));
    }
    let mut names = HashSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let pointer = |field: &str| format!("/rules/{index}/{field}");
        super::word(&rule.name, &pointer("name"))?;
        if !names.insert(&rule.name) {
            return Err(Rejection::malformed(&pointer("name"), "once"));
        }
        check(rule, &pointer)?;
    }
    plan.note(Change::LimitsSet(LimitsSet { rules: stored::write_rules(rules) }));
    Ok(())
}

fn check(rule: &LimitRule, pointer: &impl Fn(&str) -> String) -> Result<(), Rejection> {
    let amounts = [
        ("operation_max", rule.operation_max),
        ("window/amount_max", rule.window.and_then(|window| window.amount_max)),
        ("new_recipient/amount_max", rule.new_recipient.map(|new| new.amount_max)),
    ];
    for (field, amount) in amounts.into_iter().filter_map(|(field, amount)| Some((field, amount?))) {
        if amount < 0 {
            return Err(Rejection::malformed(&pointer(field), "0 or above"));
        }
        if rule.asset.is_none() {
            return Err(Rejection::malformed(&pointer("asset"), "needed where amounts are"));
        }
    }
    match rule.window {
        Some(LimitWindow { amount_max: None, count_max: None, .. }) => {
            Err(Rejection::malformed(&pointer("window"), "an amount or a count"))
        }
        Some(window) if !WINDOW_SECONDS.contains(&window.seconds) => {
            Err(Rejection::malformed(&pointer("window/seconds"), "8 seconds to 400 days"))
        }
        _ => Ok(()),
    }
}
