//! Hold units of a customer account for another account: they can no longer be spent, and stay
//! posted until they are captured. Which lots they come from is settled now, so a lot that expires
//! meanwhile keeps what was promised.

use crate::effect::{Change, HoldPlaced};
use crate::plan::{Plan, may_give};
use crate::{Hold, LimitedVerb, Rejection};

pub(super) fn hold(plan: &mut Plan<'_>, command: &Hold, roles: &[String]) -> Result<(), Rejection> {
    let leg = &command.leg;
    if leg.amount <= 0 {
        return Err(Rejection::AmountNotPositive { index: 0, amount: leg.amount });
    }
    place(plan, command, String::new(), 0)?;
    let account = plan.find(leg.debit)?;
    plan.limit(LimitedVerb::Spend, account, leg.amount, roles)
}

/// Sets the units aside; `meter` and `quantity` say for which use, if for any.
pub(super) fn place(
    plan: &mut Plan<'_>,
    command: &Hold,
    meter: String,
    quantity: i64,
) -> Result<(), Rejection> {
    let (leg, account) = (&command.leg, command.leg.debit);
    if account == leg.credit {
        return Err(Rejection::SameAccount { index: 0, account });
    }
    if command.expires_at_ms.is_some_and(|at_ms| at_ms <= plan.at_ms()) {
        return Err(Rejection::ExpiryInThePast);
    }
    let (giving, credit) = (plan.customer(account)?, plan.find(leg.credit)?);
    let number = plan.find(account)?;
    plan.same_asset(0, number, credit)?;
    let row = *plan.row(giving);
    may_give(&row)?;
    let available = row.available();
    if available < leg.amount {
        return Err(Rejection::InsufficientFunds { account, available, needed: leg.amount });
    }
    let allocations =
        if plan.has_lots(giving) { plan.parts(giving, row.balance, leg.amount) } else { Vec::new() };
    for part in &allocations {
        plan.hold_lot(giving, *part)?;
    }
    let held_after = row.held.checked_add(leg.amount).ok_or(Rejection::BalanceOutOfRange { account })?;
    plan.row(giving).held = held_after;
    let hold = plan.state.holds.rows.number_after(0).ok_or(Rejection::PartitionFull)?;
    plan.note(Change::HoldPlaced(HoldPlaced {
        hold,
        account: number,
        credit,
        amount: leg.amount,
        expires_at_ms: command.expires_at_ms,
        allocations,
        meter,
        quantity,
        held_after,
    }));
    Ok(())
}
