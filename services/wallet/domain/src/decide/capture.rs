//! Capture held units: post them to the account they were held for. A hold can be captured several
//! times, up to what was held.

use crate::plan::{Credit, Debit, Plan};
use crate::state::{Hold, portions};
use crate::{Capture, Rejection};

pub(super) fn capture(plan: &mut Plan<'_>, command: &Capture) -> Result<(), Rejection> {
    let (number, hold) = plan.hold(command.hold)?;
    if hold.usage.is_some() {
        return Err(Rejection::HoldForUsage { hold: command.hold });
    }
    let amount = command.amount.unwrap_or(hold.left);
    if amount <= 0 {
        return Err(Rejection::AmountNotPositive { index: 0, amount });
    }
    if amount > hold.left {
        return Err(Rejection::AmountExceedsHold { left: hold.left, needed: amount });
    }
    take(plan, (number, hold), amount, command.release_rest)
}

/// Posts so many held units and gives the rest back if asked to.
pub(super) fn take(
    plan: &mut Plan<'_>,
    (number, hold): (u32, &Hold),
    amount: i64,
    release_rest: bool,
) -> Result<(), Rejection> {
    let rest = hold.left.saturating_sub(amount);
    let released = if release_rest { rest } else { 0 };
    plan.reduce_hold((number, hold), amount, released)?;
    let (captured, rest) = portions(hold.allocations.iter().copied(), amount);
    if amount > 0 {
        plan.shift(hold.account, hold.credit, amount, &Debit::Held(&captured), &Credit::AsTaken)?;
    }
    if released == 0 {
        return Ok(());
    }
    let place = plan.touch(hold.account)?;
    rest.into_iter().rev().try_for_each(|part| plan.free_lot(place, part))
}
