//! Transfer units between users. Lots keep their terms on the way, so a gift cannot outlive its
//! expiry. Limits of transfers apply, and those for recipients that are new.

use crate::plan::Plan;
use crate::{Leg, LimitedVerb, Rejection};

pub(super) fn transfer(plan: &mut Plan<'_>, leg: &Leg, roles: &[String]) -> Result<(), Rejection> {
    plan.customer(leg.debit)?;
    plan.customer(leg.credit)?;
    plan.transfer(0, leg)?;
    plan.limit_debits(LimitedVerb::Transfer, roles)?;
    let parties = (plan.find(leg.debit)?, plan.find(leg.credit)?);
    plan.limit_recipient(parties, leg.amount, roles)
}
