//! Grant a lot: units from a system account to a customer, with their source, priority and expiry.
//!
//! A grant that belongs to a series first settles what is left of the series: by its roll-over policy
//! some units move into the new lot, the others to breakage, those that would expire first. Units that
//! are held stay where they are.

use crate::plan::{Credit, Debit, Plan};
use crate::{AccountKind, Grant, Rejection, RollOver, system_account};

pub(super) fn grant(plan: &mut Plan<'_>, command: &Grant) -> Result<(), Rejection> {
    let (leg, terms) = (&command.leg, &command.terms);
    if leg.amount <= 0 {
        return Err(Rejection::AmountNotPositive { index: 0, amount: leg.amount });
    }
    super::word(&terms.source, "/source")?;
    if terms.expires_at_ms.is_some_and(|at_ms| at_ms <= plan.at_ms()) {
        return Err(Rejection::ExpiryInThePast);
    }
    if matches!(command.roll_over, RollOver::Capped(most) if most < 0) {
        return Err(Rejection::malformed("/roll_over/cap", "0 or above"));
    }
    let (from, to) = (plan.find(leg.debit)?, plan.find(leg.credit)?);
    let giving = plan.touch(from)?;
    if plan.row(giving).kind == AccountKind::Customer {
        return Err(Rejection::NotASystemAccount { account: leg.debit });
    }
    plan.customer(leg.credit)?;
    plan.same_asset(0, from, to)?;
    let carried = if terms.series == 0 { 0 } else { roll_over(plan, command, to)? };
    plan.shift(from, to, leg.amount, &Debit::InOrder, &Credit::Lot(terms, carried)).map(drop)
}

/// Settles what is left of the series; answers what moves into the new lot.
fn roll_over(plan: &mut Plan<'_>, command: &Grant, account: u32) -> Result<i64, Rejection> {
    let place = plan.touch(account)?;
    let lots = plan.lots_of_series(place, command.terms.series);
    let left = lots.iter().fold(0_i64, |sum, (_, free)| sum.saturating_add(*free));
    let Some((carried, mut expiring)) = command.roll_over.split(left) else { return Ok(0) };
    for (lot, free) in lots {
        let gone = free.min(expiring);
        expiring = expiring.saturating_sub(gone);
        if gone > 0 {
            let breakage = breakage(plan, account)?;
            plan.shift(account, breakage, gone, &Debit::Expired(lot), &Credit::AsTaken)?;
        }
        if free > gone {
            plan.spend_lot(place, lot, free.saturating_sub(gone))?;
        }
    }
    Ok(carried)
}

/// Where expired units of an account's asset go.
pub(super) fn breakage(plan: &mut Plan<'_>, account: u32) -> Result<u32, Rejection> {
    let place = plan.touch(account)?;
    let row = *plan.row(place);
    let tenant = plan.state.tenants.get(row.tenant).ok_or(Rejection::NoAccounts)?;
    plan.find(system_account(*tenant, AccountKind::Breakage, plan.asset(&row)))
}

#[cfg(test)]
mod tests;
