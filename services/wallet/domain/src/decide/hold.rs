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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{Given, given};
    use crate::samples::{
        NOON_MS, a_command, a_customer, a_grant, a_hold, a_post, a_request_later, a_system,
        an_account_in_euro, an_issuance, an_operation, customer, issuance,
    };
    use crate::{AccountKind, Leg, Verb, Verdict};

    fn world() -> Given {
        given([an_issuance(), a_system(AccountKind::Revenue), a_customer(1), a_customer(2)]).and(a_post(
            100,
            issuance(),
            customer(1),
            50,
        ))
    }

    #[test]
    fn held_units_stay_posted_and_cannot_be_spent() {
        let world = world().and(a_hold(1, 1, 30, None));
        let account = world.account(a_customer(1));
        assert_eq!((account.balance, account.held, account.available()), (50, 30, 20));
        let hold = world.state().hold(crate::samples::tenant(), an_operation(1)).unwrap();
        assert_eq!((hold.left, hold.expires_at_ms), (30, None));
        let refused = Rejection::InsufficientFunds { account: customer(1), available: 20, needed: 21 };
        world.when(&a_post(2, customer(1), customer(2), 21)).then_rejected(refused);
    }

    #[test]
    fn a_hold_beyond_available_is_refused() {
        let refused = Rejection::InsufficientFunds { account: customer(1), available: 20, needed: 21 };
        world().and(a_hold(1, 1, 30, None)).when(&a_hold(2, 1, 21, None)).then_rejected(refused);
    }

    #[test]
    fn a_repeated_hold_gets_the_first_answer() {
        let hold = a_hold(1, 1, 50, Some(1));
        world().and(hold.clone()).when(&hold).then(Verdict::Done { sequence: 3 });
    }

    #[test]
    fn a_hold_ends_in_the_future() {
        world().when(&a_hold(1, 1, 5, Some(0))).then_rejected(Rejection::ExpiryInThePast);
        let hold = a_hold(1, 1, 5, Some(1));
        world().when_by(&a_request_later(1), &hold).then_rejected(Rejection::ExpiryInThePast);
    }

    #[test]
    fn only_customers_hold_and_not_for_themselves() {
        let hold = |debit, credit, amount| {
            let leg = Leg { debit, credit, amount };
            a_command(1, Verb::Hold(Hold { leg, expires_at_ms: Some(NOON_MS + 1) }))
        };
        let refused = Rejection::NotACustomer { account: issuance() };
        world().when(&hold(issuance(), customer(1), 5)).then_rejected(refused);
        let refused = Rejection::SameAccount { index: 0, account: customer(1) };
        world().when(&hold(customer(1), customer(1), 5)).then_rejected(refused);
        let refused = Rejection::AmountNotPositive { index: 0, amount: 0 };
        world().when(&hold(customer(1), customer(2), 0)).then_rejected(refused);
        let refused = Rejection::AccountUnknown { account: customer(9) };
        world().when(&hold(customer(1), customer(9), 1)).then_rejected(refused);
    }

    #[test]
    fn both_accounts_count_the_same() {
        let euro = an_account_in_euro(1);
        let leg = Leg { debit: customer(1), credit: euro.account, amount: 1 };
        let refused = Rejection::AssetMismatch { index: 0, debit: crate::Asset::TOKEN, credit: euro.asset };
        given([a_customer(1), euro])
            .when(&a_command(1, Verb::Hold(Hold { leg, expires_at_ms: None })))
            .then_rejected(refused);
    }

    #[test]
    fn a_hold_takes_lots_in_the_order_of_spending() {
        let world = world()
            .and(a_grant(1, 1, 20, Some(2_000)))
            .and(a_grant(2, 1, 10, Some(1_000)))
            .and(a_hold(3, 1, 25, None));
        assert_eq!(world.lots(a_customer(1)), [(0, 10), (5, 15)]);
        assert_eq!(world.account(a_customer(1)).held, 25);
    }

    #[test]
    fn overdraft_can_be_held() {
        let overdraft = crate::given::an_overdraft(1, 1, 40);
        let world = world().and(overdraft).and(a_hold(2, 1, 90, None));
        assert_eq!(world.account(a_customer(1)).available(), 0);
    }
}
