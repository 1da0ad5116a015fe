//! Release held units: they can be spent again. What is released first are the units that would have
//! been captured last.

use crate::plan::Plan;
use crate::state::{Hold, portions};
use crate::{Rejection, Release};

pub(super) fn release(plan: &mut Plan<'_>, command: &Release) -> Result<(), Rejection> {
    let (number, hold) = plan.hold(command.hold)?;
    let amount = command.amount.unwrap_or(hold.left);
    let is_whole = command.amount.is_none();
    if amount <= 0 && !is_whole {
        return Err(Rejection::AmountNotPositive { index: 0, amount });
    }
    if amount > hold.left {
        return Err(Rejection::AmountExceedsHold { left: hold.left, needed: amount });
    }
    if hold.usage.is_some() && amount < hold.left {
        return Err(Rejection::HoldForUsage { hold: command.hold });
    }
    give_back(plan, (number, hold), amount)
}

/// Gives so many held units back.
pub(super) fn give_back(
    plan: &mut Plan<'_>,
    (number, hold): (u32, &Hold),
    amount: i64,
) -> Result<(), Rejection> {
    plan.reduce_hold((number, hold), 0, amount)?;
    let place = plan.touch(hold.account)?;
    let (released, _) = portions(hold.allocations.iter().rev().copied(), amount);
    released.into_iter().try_for_each(|part| plan.free_lot(place, part))
}
