//! What has expired moves on: a lot's free units to breakage, a hold's units back to where they can be
//! spent. A frozen account expires like any other.

use super::grant::breakage;
use super::release::give_back;
use crate::plan::{Credit, Debit, Plan};
use crate::{Expire, Rejection};

pub(super) fn expire(plan: &mut Plan<'_>, due: Expire) -> Result<(), Rejection> {
    let at_ms = plan.at_ms();
    match due {
        Expire::Lot(number) => {
            let lot =
                plan.state.lots.rows.get(number).filter(|lot| lot.expires_at_ms <= at_ms && lot.free > 0);
            let lot = lot.ok_or(Rejection::NotDue)?;
            let breakage = breakage(plan, lot.account)?;
            plan.shift(lot.account, breakage, lot.free, &Debit::Expired(number), &Credit::AsTaken).map(drop)
        }
        Expire::Hold(number) => {
            let hold = plan.state.holds.rows.get(number);
            let hold = hold.filter(|hold| hold.expires_at_ms.is_some_and(|expires| expires <= at_ms));
            let hold = hold.ok_or(Rejection::NotDue)?;
            give_back(plan, (number, hold), hold.left)
        }
    }
}
