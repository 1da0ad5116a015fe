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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Asset;

    fn a_rule() -> LimitRule {
        LimitRule {
            name: "daily".to_owned(),
            asset: Some(Asset::TOKEN),
            verbs: VERBS.to_vec(),
            role: Some("tipper".to_owned()),
            operation_max: Some(0),
            window: Some(LimitWindow { seconds: 8, amount_max: Some(0), count_max: Some(0) }),
            new_recipient: Some(NewRecipient { seconds: 1, amount_max: 0 }),
        }
    }

    fn a_meter() -> Meter {
        let tiers = vec![Tier { up_to: Some(1), price: 0 }, Tier { up_to: None, price: 2 }];
        let name = "calls".to_owned();
        Meter { name, asset: Asset::TOKEN, per: 3, tiers, period: Period::Year, quota: Some(0) }
    }

    #[test]
    fn limits_survive_storage_with_and_without_their_parts() {
        let bare = LimitRule {
            asset: None,
            verbs: Vec::new(),
            role: None,
            operation_max: None,
            window: None,
            new_recipient: None,
            ..a_rule()
        };
        let rules = vec![a_rule(), bare];
        assert_eq!(read_rules(&write_rules(&rules)), Some(rules));
    }

    #[test]
    fn meters_survive_storage() {
        for period in Period::ALL {
            let meter = Meter { period, quota: None, ..a_meter() };
            assert_eq!(read_meter(&write_meter(&meter)), Some(meter));
        }
        assert_eq!(read_meter(&write_meter(&a_meter())), Some(a_meter()));
    }

    #[test]
    fn what_this_program_cannot_have_written_is_refused() {
        let rule = || write_rules(&[a_rule()]).remove(0);
        assert_eq!(read_rules(&[StoredRule { asset: "euro".to_owned(), ..rule() }]), None);
        assert_eq!(read_rules(&[rule(), StoredRule { verbs: vec![9], ..rule() }]), None);
        let meter = || write_meter(&a_meter());
        assert_eq!(read_meter(&MeterPut { asset: String::new(), ..meter() }), None);
        assert_eq!(read_meter(&MeterPut { period: 0, ..meter() }), None);
    }
}
