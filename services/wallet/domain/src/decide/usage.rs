//! Usage: reserve the worst case, settle what it was, or charge at once.
//!
//! Quotas count what was used and what is reserved, so parallel reservations cannot pass them
//! together. Settling posts, counts and releases in one operation.

use super::capture::take;
use super::hold::place;
use crate::effect::{Change, Used};
use crate::plan::Plan;
use crate::{Hold, Leg, LimitedVerb, Meter, RecordUsage, Rejection, ReserveUsage, SettleUsage};

pub(super) fn reserve(
    plan: &mut Plan<'_>,
    command: &ReserveUsage,
    roles: &[String],
) -> Result<(), Rejection> {
    let (meter, account) = metered(plan, &command.meter, command.account, command.quantity)?;
    within_quota(plan, meter, account, command.quantity)?;
    let reserved = plan.state.counters.usage(account, &meter.name, 0).reserved;
    reserved.checked_add(command.quantity).ok_or(Rejection::QuantityOutOfRange)?;
    let amount = meter.worst_case(command.quantity).ok_or(Rejection::QuantityOutOfRange)?;
    let leg = Leg { debit: command.account, credit: command.credit, amount };
    place(plan, &Hold { leg, expires_at_ms: command.expires_at_ms }, meter.name.clone(), command.quantity)?;
    plan.limit(LimitedVerb::Spend, account, amount, roles)
}

pub(super) fn settle(plan: &mut Plan<'_>, command: &SettleUsage) -> Result<(), Rejection> {
    let (number, hold) = plan.hold(command.hold)?;
    let Some((name, reserved)) = hold.usage.as_deref() else {
        return Err(Rejection::NotAReservation { hold: command.hold });
    };
    if !(0..=*reserved).contains(&command.quantity) {
        return Err(Rejection::QuantityExceedsReservation { reserved: *reserved, used: command.quantity });
    }
    let unknown = || Rejection::MeterUnknown { meter: name.clone() };
    let meter = plan.books().and_then(|books| books.meter(name)).ok_or_else(unknown)?;
    let charge = charge(plan, meter, hold.account, command.quantity)?;
    // Prices may have risen since: never more than was reserved.
    let charged = charge.min(hold.left);
    count(plan, meter, hold.account, command.quantity, charged)?;
    take(plan, (number, hold), charged, true)
}

pub(super) fn record(plan: &mut Plan<'_>, command: &RecordUsage, roles: &[String]) -> Result<(), Rejection> {
    let (meter, account) = metered(plan, &command.meter, command.account, command.quantity)?;
    within_quota(plan, meter, account, command.quantity)?;
    let amount = charge(plan, meter, account, command.quantity)?;
    count(plan, meter, account, command.quantity, amount)?;
    if amount > 0 {
        plan.transfer(0, &Leg { debit: command.account, credit: command.credit, amount })?;
    }
    plan.limit(LimitedVerb::Spend, account, amount, roles)
}

/// The meter and the number of an account of its asset.
fn metered<'a>(
    plan: &mut Plan<'a>,
    name: &str,
    account: ids::AccountId,
    quantity: i64,
) -> Result<(&'a Meter, u32), Rejection> {
    let unknown = || Rejection::MeterUnknown { meter: name.to_owned() };
    let meter = plan.books().and_then(|books| books.meter(name)).ok_or_else(unknown)?;
    if quantity <= 0 {
        return Err(Rejection::QuantityOutOfRange);
    }
    let place = plan.customer(account)?;
    let row = *plan.row(place);
    if plan.asset(&row) != meter.asset {
        return Err(Rejection::AssetMismatch { index: 0, debit: plan.asset(&row), credit: meter.asset });
    }
    Ok((meter, plan.find(account)?))
}

fn within_quota(plan: &Plan<'_>, meter: &Meter, account: u32, quantity: i64) -> Result<(), Rejection> {
    let Some(quota) = meter.quota else { return Ok(()) };
    let period = meter.period.start_ms(plan.at_ms());
    let usage = plan.state.counters.usage(account, &meter.name, period);
    let used = usage.used.saturating_add(usage.reserved);
    if used.saturating_add(quantity) > quota {
        return Err(Rejection::QuotaExceeded { meter: meter.name.clone(), quota, used, needed: quantity });
    }
    Ok(())
}

fn charge(plan: &Plan<'_>, meter: &Meter, account: u32, quantity: i64) -> Result<i64, Rejection> {
    let period = meter.period.start_ms(plan.at_ms());
    let used = plan.state.counters.usage(account, &meter.name, period).used;
    meter.charge(used, quantity).ok_or(Rejection::QuantityOutOfRange)
}

fn count(
    plan: &mut Plan<'_>,
    meter: &Meter,
    account: u32,
    quantity: i64,
    charged: i64,
) -> Result<(), Rejection> {
    let period_start_ms = meter.period.start_ms(plan.at_ms());
    let before = plan.state.counters.usage(account, &meter.name, period_start_ms).used;
    let used_after = before.checked_add(quantity).ok_or(Rejection::QuantityOutOfRange)?;
    let meter = meter.name.clone();
    plan.note(Change::Used(Used { account, meter, quantity, charged, period_start_ms, used_after }));
    Ok(())
}

#[cfg(test)]
mod tests;
