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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, an_overdraft, given};
    use crate::samples::{
        a_capture, a_customer, a_grant, a_hold, a_post, a_system, an_issuance, an_operation, customer,
        issuance,
    };
    use crate::{AccountKind, Outcome};

    fn world() -> Given {
        given([an_issuance(), a_system(AccountKind::Revenue), a_customer(1), a_customer(2)])
            .and(a_post(100, issuance(), customer(1), 50))
            .and(a_hold(1, 1, 30, None))
    }

    #[test]
    fn a_capture_posts_what_was_held() {
        let world = world();
        let ended = a_capture(2, 1, None, false);
        let world = world.and(ended);
        let account = world.account(a_customer(1));
        assert_eq!((account.balance, account.held), (20, 0));
        assert_eq!(world.account(a_system(AccountKind::Revenue)).balance, 30);
        let refused = Rejection::HoldEnded { hold: an_operation(1) };
        world.when(&a_capture(3, 1, Some(1), false)).then_rejected(refused);
    }

    #[test]
    fn a_hold_is_captured_several_times_up_to_what_was_held() {
        let world = world().and(a_capture(2, 1, Some(10), false)).and(a_capture(3, 1, Some(15), false));
        let account = world.account(a_customer(1));
        assert_eq!((account.balance, account.held), (25, 5));
        let refused = Rejection::AmountExceedsHold { left: 5, needed: 6 };
        world.when(&a_capture(4, 1, Some(6), false)).then_rejected(refused);
    }

    #[test]
    fn the_rest_is_released_in_the_same_step_if_asked_to() {
        let world = world();
        let capture = a_capture(2, 1, Some(10), true);
        let world = world.and(capture.clone());
        let account = world.account(a_customer(1));
        assert_eq!((account.balance, account.held, account.available()), (40, 0, 40));
        assert!(world.state().hold(crate::samples::tenant(), an_operation(1)).is_none());
        assert_eq!(world.outcome_of(&capture), Outcome { amount: 10, left: 0 });
    }

    #[test]
    fn an_outcome_says_what_is_left() {
        let capture = a_capture(2, 1, Some(10), false);
        assert_eq!(world().and(capture.clone()).outcome_of(&capture), Outcome { amount: 10, left: 20 });
    }

    #[test]
    fn amounts_are_above_zero() {
        for amount in [0, -1, i64::MIN] {
            let refused = Rejection::AmountNotPositive { index: 0, amount };
            world().when(&a_capture(2, 1, Some(amount), true)).then_rejected(refused);
        }
    }

    #[test]
    fn an_unknown_hold_is_refused() {
        let refused = Rejection::HoldUnknown { hold: an_operation(9) };
        world().when(&a_capture(2, 9, None, false)).then_rejected(refused);
    }

    #[test]
    fn lots_are_captured_from_the_front_and_released_from_the_back() {
        let world = given([an_issuance(), a_system(AccountKind::Revenue), a_customer(1)])
            .and(a_grant(1, 1, 10, Some(1_000)))
            .and(a_grant(2, 1, 10, Some(2_000)))
            .and(a_hold(3, 1, 20, None))
            .and(a_capture(4, 3, Some(4), false));
        assert_eq!(world.lots(a_customer(1)), [(0, 6), (0, 10)]);
        let world = world.and(a_capture(5, 3, Some(7), true));
        assert_eq!(world.lots(a_customer(1)), [(9, 0)]);
    }

    #[test]
    fn what_was_promised_is_captured_even_when_less_may_be_owed_by_now() {
        let world = given([an_issuance(), a_system(AccountKind::Revenue), a_customer(1)])
            .and(an_overdraft(1, 1, 50))
            .and(a_hold(2, 1, 50, None))
            .and(an_overdraft(3, 1, 0))
            .and(a_capture(4, 2, Some(20), false));
        let account = world.account(a_customer(1));
        assert_eq!((account.balance, account.held, account.available()), (-20, 30, -50));
        world.when(&a_hold(5, 1, 1, None)).then_refused_with("insufficient_funds");
    }
}
