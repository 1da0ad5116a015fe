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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, given};
    use crate::samples::{a_command, a_customer, tenant};
    use crate::{Asset, NewRecipient, Verb};

    fn a_rule(name: &str) -> LimitRule {
        LimitRule {
            name: name.to_owned(),
            asset: Some(Asset::TOKEN),
            verbs: Vec::new(),
            role: None,
            operation_max: Some(5),
            window: None,
            new_recipient: None,
        }
    }

    fn world() -> Given {
        given([a_customer(1)])
    }

    #[track_caller]
    fn refused(rules: Vec<LimitRule>, pointer: &str, expected: &'static str) {
        let said = world().when(&a_command(1, Verb::SetLimits(rules)));
        said.then_rejected(Rejection::malformed(pointer, expected));
    }

    #[test]
    fn limits_replace_all_that_were() {
        let world = world().and(a_command(1, Verb::SetLimits(vec![a_rule("a"), a_rule("b")])));
        let world = world.and(a_command(2, Verb::SetLimits(vec![a_rule("c")])));
        assert_eq!(world.state().limits(tenant()), [a_rule("c")]);
    }

    #[test]
    fn sixty_four_rules_at_most() {
        let rules = |count: u32| (0..count).map(|number| a_rule(&number.to_string())).collect::<Vec<_>>();
        refused(rules(65), "/rules", "at most 64");
        assert_eq!(world().and(a_command(1, Verb::SetLimits(rules(64)))).state().limits(tenant()).len(), 64);
    }

    #[test]
    fn every_rule_has_a_name_of_its_own() {
        refused(vec![a_rule("a"), a_rule("")], "/rules/1/name", "1 to 40 characters");
        refused(vec![a_rule("a"), a_rule("a")], "/rules/1/name", "once");
    }

    #[test]
    fn amounts_are_zero_or_above_and_of_an_asset() {
        let window = LimitWindow { seconds: 60, amount_max: Some(-1), count_max: None };
        let new = NewRecipient { seconds: 60, amount_max: -1 };
        for (field, rule) in [
            ("operation_max", LimitRule { operation_max: Some(-1), ..a_rule("a") }),
            ("window/amount_max", LimitRule { window: Some(window), ..a_rule("a") }),
            ("new_recipient/amount_max", LimitRule { new_recipient: Some(new), ..a_rule("a") }),
        ] {
            refused(vec![rule], &format!("/rules/0/{field}"), "0 or above");
        }
        refused(vec![LimitRule { asset: None, ..a_rule("a") }], "/rules/0/asset", "needed where amounts are");
    }

    #[test]
    fn windows_have_a_length_and_something_to_limit() {
        let with = |seconds, count_max| {
            let window = Some(LimitWindow { seconds, amount_max: None, count_max });
            vec![LimitRule { window, ..a_rule("a") }]
        };
        for seconds in [0, 7, 400 * 24 * 3_600 + 1, u32::MAX] {
            refused(with(seconds, Some(1)), "/rules/0/window/seconds", "8 seconds to 400 days");
        }
        refused(with(60, None), "/rules/0/window", "an amount or a count");
        let counting = LimitRule { asset: None, operation_max: None, ..with(8, Some(1)).remove(0) };
        assert_eq!(
            world().and(a_command(1, Verb::SetLimits(vec![counting]))).state().limits(tenant()).len(),
            1
        );
    }
}
