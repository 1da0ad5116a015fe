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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, a_freeze, given};
    use crate::samples::{
        a_command, a_customer, a_grant, a_hold, a_post, a_request, a_request_later, a_system, an_issuance,
        an_operation, customer, issuance,
    };
    use crate::{AccountKind, Freeze, Verb};

    fn world() -> Given {
        given([an_issuance(), a_system(AccountKind::Revenue), a_customer(1)])
    }

    #[test]
    fn what_is_left_of_a_lot_moves_to_breakage_at_its_time() {
        let world = world().and(a_grant(1, 1, 10, Some(1_000))).and(a_post(2, customer(1), issuance(), 3));
        let world = world.and_expired(&a_request_later(999));
        assert_eq!(world.lots(a_customer(1)), [(7, 0)]);
        let world = world.and_expired(&a_request_later(1_000));
        assert!(world.lots(a_customer(1)).is_empty());
        assert_eq!(world.account(a_customer(1)).balance, 0);
        assert_eq!(world.account(a_system(AccountKind::Breakage)).balance, 7, "opened when it was needed");
    }

    #[test]
    fn a_hold_ends_at_its_time() {
        let world = world().and(a_post(1, issuance(), customer(1), 10)).and(a_hold(2, 1, 10, Some(500)));
        let world = world.and_expired(&a_request_later(500));
        assert_eq!(world.account(a_customer(1)).available(), 10);
        let capture = crate::samples::a_capture(3, 2, None, false);
        world.when(&capture).then_rejected(Rejection::HoldEnded { hold: an_operation(2) });
    }

    #[test]
    fn a_frozen_account_expires_like_any_other() {
        let world = world().and(a_grant(1, 1, 10, Some(1_000))).and(a_freeze(2, 1, Freeze::All));
        let world = world.and_expired(&a_request_later(1_000));
        assert_eq!(world.account(a_customer(1)).balance, 0);
    }

    #[test]
    fn what_is_not_due_or_gone_does_not_expire() {
        let expire = |due| a_command(9, Verb::Expire(due));
        for due in [Expire::Lot(0), Expire::Lot(7), Expire::Hold(0)] {
            world().and(a_grant(1, 1, 10, Some(1_000))).when(&expire(due)).then_rejected(Rejection::NotDue);
        }
        let held = world().and(a_grant(1, 1, 10, Some(1_000))).and(a_hold(2, 1, 10, Some(2_000)));
        for due in [Expire::Lot(0), Expire::Hold(0)] {
            let said = held.clone().when_by(&a_request_later(1_500), &expire(due));
            said.then_rejected(Rejection::NotDue);
        }
    }

    #[test]
    fn a_clock_that_steps_back_lets_nothing_expire_twice() {
        let world = world().and(a_grant(1, 1, 10, Some(1_000))).and(a_grant(2, 1, 10, Some(3_000)));
        let world = world.and_expired(&a_request_later(1_000)).and_expired(&a_request());
        assert_eq!(world.lots(a_customer(1)), [(10, 0)]);
    }
}
