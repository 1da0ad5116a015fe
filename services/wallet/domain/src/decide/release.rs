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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, an_overdraft, given};
    use crate::samples::{
        a_capture, a_customer, a_grant, a_hold, a_post, a_release, a_request_later, a_system, an_issuance,
        an_operation, customer, issuance,
    };
    use crate::{AccountKind, Freeze};

    fn world() -> Given {
        given([an_issuance(), a_system(AccountKind::Revenue), a_system(AccountKind::Breakage), a_customer(1)])
    }

    #[test]
    fn a_released_hold_can_be_spent_again() {
        let world = world().and(a_post(1, issuance(), customer(1), 50)).and(a_hold(2, 1, 30, None));
        let world = world.and(a_release(3, 2, Some(10)));
        assert_eq!((world.account(a_customer(1)).held, world.account(a_customer(1)).available()), (20, 30));
        let world = world.and(a_release(4, 2, None));
        assert_eq!(world.account(a_customer(1)).held, 0);
        world.when(&a_release(5, 2, None)).then_rejected(Rejection::HoldEnded { hold: an_operation(2) });
    }

    #[test]
    fn no_more_than_is_left_is_released() {
        let world = world().and(a_post(1, issuance(), customer(1), 50)).and(a_hold(2, 1, 30, None));
        let world = world.and(a_capture(3, 2, Some(10), false));
        let refused = Rejection::AmountExceedsHold { left: 20, needed: 21 };
        world.when(&a_release(4, 2, Some(21))).then_rejected(refused);
    }

    #[test]
    fn nothing_and_less_cannot_be_released() {
        for amount in [0, -1, i64::MIN] {
            let refused = Rejection::AmountNotPositive { index: 0, amount };
            let world = world().and(a_post(1, issuance(), customer(1), 50)).and(a_hold(2, 1, 30, None));
            world.when(&a_release(3, 2, Some(amount))).then_rejected(refused);
        }
        world().when(&a_release(3, 2, None)).then_rejected(Rejection::HoldUnknown { hold: an_operation(2) });
    }

    #[test]
    fn the_lots_that_are_captured_last_are_released_first() {
        let world = world()
            .and(a_grant(1, 1, 10, Some(1_000)))
            .and(a_grant(2, 1, 10, Some(2_000)))
            .and(a_hold(3, 1, 20, None))
            .and(a_release(4, 3, Some(12)));
        assert_eq!(world.lots(a_customer(1)), [(2, 8), (10, 0)]);
    }

    #[test]
    fn a_frozen_account_takes_back_what_it_held() {
        let world = world().and(a_grant(1, 1, 10, None)).and(a_hold(2, 1, 10, None));
        let world = world.and(crate::given::a_freeze(3, 1, Freeze::All)).and(a_release(4, 2, None));
        assert_eq!(world.lots(a_customer(1)), [(10, 0)]);
    }

    #[test]
    fn a_hold_pins_lots_that_expire_meanwhile_and_they_expire_once_released() {
        let world = world().and(a_grant(1, 1, 10, Some(1_000))).and(a_hold(2, 1, 10, None));
        let world = world.and_expired(&a_request_later(5_000));
        assert_eq!(world.lots(a_customer(1)), [(0, 10)], "held units do not expire");
        assert_eq!(world.due(), None, "and nobody waits for them");
        let world = world.and_by(&a_request_later(6_000), a_release(3, 2, Some(4)));
        assert_eq!(world.lots(a_customer(1)), [(4, 6)]);
        let world = world.and_expired(&a_request_later(6_000));
        assert_eq!(world.lots(a_customer(1)), [(0, 6)]);
        let world = world.and_by(&a_request_later(7_000), a_release(4, 2, None));
        let world = world.and_expired(&a_request_later(7_000));
        assert!(world.lots(a_customer(1)).is_empty());
        assert_eq!(world.account(a_system(AccountKind::Breakage)).balance, 10);
    }

    #[test]
    fn what_is_owed_meanwhile_is_filled_by_what_is_released() {
        let world = world()
            .and(an_overdraft(1, 1, 50))
            .and(a_grant(2, 1, 100, Some(1_000)))
            .and(a_hold(3, 1, 100, None))
            .and(a_post(4, customer(1), issuance(), 30))
            .and(a_release(5, 3, None));
        assert_eq!(world.lots(a_customer(1)), [(70, 0)], "30 of the lot repay the overdraft");
        let world = world.and(an_overdraft(6, 1, 0)).and_expired(&a_request_later(1_000));
        let account = world.account(a_customer(1));
        assert_eq!((account.balance, account.available()), (0, 0));
    }
}
