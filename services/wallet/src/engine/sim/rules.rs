//! The auditor's limits and meters: every use is kept with its time, nothing is summed up ahead.

use std::collections::{BTreeMap, HashMap};

use ids::{AccountId, TenantId};
use wallet_domain::samples::NOON_MS;
use wallet_domain::{Asset, LimitRule, LimitedVerb, Meter};

use super::Check;

/// A customer account gives.
pub(super) struct Gives<'a> {
    pub(super) tenant: TenantId,
    pub(super) account: AccountId,
    pub(super) asset: Asset,
    pub(super) verb: LimitedVerb,
    pub(super) amount: i64,
    pub(super) roles: &'a [String],
    pub(super) at_ms: i64,
}

/// Use of a meter: when the period began, used in it, reserved.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Use {
    period_ms: i64,
    used: i64,
    reserved: i64,
}

/// Length of the window, and when how much was given.
type Given = (u32, Vec<(i64, i64)>);

#[derive(Default)]
pub(super) struct Rules {
    limits: HashMap<TenantId, Vec<LimitRule>>,
    given: HashMap<(AccountId, String), Given>,
    /// Since when, and how much.
    sent: HashMap<(AccountId, AccountId), (i64, i64)>,
    meters: HashMap<(TenantId, String), Meter>,
    usage: BTreeMap<(AccountId, String), Use>,
}

fn ensure(holds: bool, say: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(say()) }
}

impl Rules {
    pub(super) fn set(&mut self, tenant: TenantId, rules: &[LimitRule]) {
        self.limits.insert(tenant, rules.to_vec());
    }

    pub(super) fn put(&mut self, tenant: TenantId, meter: &Meter) {
        self.meters.insert((tenant, meter.name.clone()), meter.clone());
    }

    fn applying(&self, gives: &Gives<'_>) -> Vec<LimitRule> {
        let applies = |rule: &&LimitRule| {
            (rule.verbs.is_empty() || rule.verbs.contains(&gives.verb))
                && rule.asset.is_none_or(|asset| asset == gives.asset)
                && rule.role.as_ref().is_none_or(|role| gives.roles.contains(role))
        };
        self.limits.get(&gives.tenant).into_iter().flatten().filter(applies).cloned().collect()
    }

    /// Nobody gives more than the limits say.
    pub(super) fn give(&mut self, gives: &Gives<'_>) -> Check {
        for rule in self.applying(gives) {
            let amount = gives.amount;
            ensure(rule.operation_max.is_none_or(|most| amount <= most), || {
                format!("{amount} at once against {rule:?}")
            })?;
            let Some(window) = rule.window else { continue };
            let given = self.given.entry((gives.account, rule.name.clone())).or_default();
            if given.0 != window.seconds {
                *given = (window.seconds, Vec::new());
            }
            given.1.push((gives.at_ms, amount));
            let since = gives.at_ms - i64::from(window.seconds) * 1_000;
            let within = given.1.iter().filter(|(at_ms, _)| *at_ms > since);
            let (count, units) = within
                .fold((0, 0_i128), |(count, units), (_, amount)| (count + 1, units + i128::from(*amount)));
            ensure(window.amount_max.is_none_or(|most| units <= i128::from(most)), || {
                format!("{units} within the window against {rule:?}")
            })?;
            ensure(window.count_max.is_none_or(|most| count <= most), || {
                format!("{count} operations within the window against {rule:?}")
            })?;
        }
        Ok(())
    }

    /// Nobody sends too much to somebody new.
    pub(super) fn send(&mut self, gives: &Gives<'_>, recipient: AccountId) -> Check {
        let known = self.sent.get(&(gives.account, recipient)).copied();
        let (since, sent) = known.unwrap_or((gives.at_ms, 0));
        let sent = sent.saturating_add(gives.amount);
        for (rule, new) in self.applying(gives).iter().filter_map(|rule| Some((rule, rule.new_recipient?))) {
            let is_new = known.is_none() || gives.at_ms < since + i64::from(new.seconds) * 1_000;
            ensure(!is_new || sent <= new.amount_max, || format!("{sent} to somebody new against {rule:?}"))?;
        }
        self.sent.insert((gives.account, recipient), (since, sent));
        Ok(())
    }

    pub(super) fn meter(&self, tenant: TenantId, name: &str) -> Result<&Meter, String> {
        self.meters.get(&(tenant, name.to_owned())).ok_or_else(|| format!("there is no meter {name}"))
    }

    fn used(&mut self, meter: &Meter, account: AccountId, at_ms: i64) -> &mut Use {
        let usage = self.usage.entry((account, meter.name.clone())).or_default();
        let period_ms = meter.period.start_ms(at_ms);
        if usage.period_ms != period_ms {
            (usage.period_ms, usage.used) = (period_ms, 0);
        }
        usage
    }

    fn within_quota(&mut self, meter: &Meter, account: AccountId, quantity: i64, at_ms: i64) -> Check {
        let usage = *self.usage.entry((account, meter.name.clone())).or_default();
        let used = if usage.period_ms == meter.period.start_ms(at_ms) { usage.used } else { 0 };
        let all = used + usage.reserved + quantity;
        ensure(meter.quota.is_none_or(|quota| all <= quota), || format!("{all} used against {meter:?}"))
    }

    /// Reserves use; answers what it costs at most.
    pub(super) fn reserve(
        &mut self,
        (tenant, account): (TenantId, AccountId),
        name: &str,
        quantity: i64,
        at_ms: i64,
    ) -> Result<i64, String> {
        let meter = self.meter(tenant, name)?.clone();
        self.within_quota(&meter, account, quantity, at_ms)?;
        self.usage.entry((account, name.to_owned())).or_default().reserved += quantity;
        let dearest = meter.tiers.iter().map(|tier| tier.price).max().unwrap_or_default();
        Ok(ceil(dearest * quantity, meter.per))
    }

    pub(super) fn unreserve(&mut self, account: AccountId, name: &str, quantity: i64) {
        self.usage.entry((account, name.to_owned())).or_default().reserved -= quantity;
    }

    /// Counts use; answers what it costs. What was reserved before is within the quota.
    pub(super) fn count(
        &mut self,
        (tenant, account): (TenantId, AccountId),
        name: &str,
        (quantity, is_reserved): (i64, bool),
        at_ms: i64,
    ) -> Result<i64, String> {
        let meter = self.meter(tenant, name)?.clone();
        if !is_reserved {
            self.within_quota(&meter, account, quantity, at_ms)?;
        }
        let usage = self.used(&meter, account, at_ms);
        let before = usage.used;
        usage.used += quantity;
        Ok(cost(&meter, before + quantity) - cost(&meter, before))
    }

    /// What is read of an account's use.
    pub(super) fn usage_of(&self, tenant: TenantId, account: AccountId) -> Vec<(String, i64, i64)> {
        let of_account = self.usage.iter().filter(|((of, _), _)| *of == account);
        let lines = of_account.filter_map(|((_, name), usage)| {
            let meter = self.meters.get(&(tenant, name.clone()))?;
            let is_present = meter.period.start_ms(NOON_MS) == usage.period_ms;
            let used = if is_present { usage.used } else { 0 };
            ((used, usage.reserved) != (0, 0)).then(|| (name.clone(), used, usage.reserved))
        });
        lines.collect()
    }
}

/// Prices added up unit by unit.
fn cost(meter: &Meter, quantity: i64) -> i64 {
    let price = |unit: i64| {
        let tier = meter.tiers.iter().find(|tier| tier.up_to.is_none_or(|up_to| unit < up_to));
        tier.map(|tier| tier.price).unwrap_or_default()
    };
    ceil((0..quantity).map(price).sum(), meter.per)
}

fn ceil(total: i64, per: i64) -> i64 {
    total / per + i64::from(total % per > 0)
}
