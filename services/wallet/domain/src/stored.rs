//! Limits and meters as the journal stores them.

use crate::effect::{MeterPut, StoredRule, StoredTier};
use crate::{LimitRule, LimitWindow, LimitedVerb, Meter, NewRecipient, Period, Tier};

const VERBS: [LimitedVerb; 3] = [LimitedVerb::Spend, LimitedVerb::Transfer, LimitedVerb::Convert];

/// Rules as stored.
pub(crate) fn write_rules(rules: &[LimitRule]) -> Vec<StoredRule> {
    rules.iter().map(write_rule).collect()
}

fn write_rule(rule: &LimitRule) -> StoredRule {
    StoredRule {
        name: rule.name.clone(),
        asset: rule.asset.map(|asset| asset.to_string()).unwrap_or_default(),
        verbs: rule.verbs.iter().map(|verb| u32::from(*verb as u8)).collect(),
        role: rule.role.clone().unwrap_or_default(),
        operation_max: rule.operation_max,
        window_seconds: rule.window.map_or(0, |window| window.seconds),
        window_amount_max: rule.window.and_then(|window| window.amount_max),
        window_count_max: rule.window.and_then(|window| window.count_max),
        new_recipient_seconds: rule.new_recipient.map_or(0, |new| new.seconds),
        new_recipient_amount_max: rule.new_recipient.map_or(0, |new| new.amount_max),
    }
}

/// Rules from their stored form; none if they cannot have been written by this program.
pub(crate) fn read_rules(rules: &[StoredRule]) -> Option<Vec<LimitRule>> {
    rules.iter().map(read_rule).collect()
}

fn read_rule(rule: &StoredRule) -> Option<LimitRule> {
    let verb = |number: &u32| VERBS.into_iter().find(|verb| u32::from(*verb as u8) == *number);
    let window = LimitWindow {
        seconds: rule.window_seconds,
        amount_max: rule.window_amount_max,
        count_max: rule.window_count_max,
    };
    let new = NewRecipient { seconds: rule.new_recipient_seconds, amount_max: rule.new_recipient_amount_max };
    Some(LimitRule {
        name: rule.name.clone(),
        asset: if rule.asset.is_empty() { None } else { Some(rule.asset.parse().ok()?) },
        verbs: rule.verbs.iter().map(verb).collect::<Option<_>>()?,
        role: Some(rule.role.clone()).filter(|role| !role.is_empty()),
        operation_max: rule.operation_max,
        window: (window.seconds > 0).then_some(window),
        new_recipient: (new.seconds > 0).then_some(new),
    })
}

/// A meter as stored.
pub(crate) fn write_meter(meter: &Meter) -> MeterPut {
    MeterPut {
        name: meter.name.clone(),
        asset: meter.asset.to_string(),
        per: meter.per,
        tiers: meter.tiers.iter().map(|tier| StoredTier { up_to: tier.up_to, price: tier.price }).collect(),
        period: u32::from(meter.period as u8),
        quota: meter.quota,
    }
}

/// A meter from its stored form; none if it cannot have been written by this program.
pub(crate) fn read_meter(put: &MeterPut) -> Option<Meter> {
    Some(Meter {
        name: put.name.clone(),
        asset: put.asset.parse().ok()?,
        per: put.per,
        tiers: put.tiers.iter().map(|tier| Tier { up_to: tier.up_to, price: tier.price }).collect(),
        period: Period::numbered(put.period)?,
        quota: put.quota,
    })
}
