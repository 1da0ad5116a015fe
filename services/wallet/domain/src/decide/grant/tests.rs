//! What a grant brings, and what it does with what is left of its series.

use super::*;
use crate::given::{Given, an_overdraft, given};
use crate::samples::{
    NOON_MS, a_capture, a_command, a_customer, a_grant, a_hold, a_post, a_release, a_request_later, a_system,
    an_issuance, an_operation, customer, issuance,
};
use crate::{Command, Leg, LotTerms, Verb};

fn world() -> Given {
    let systems = [AccountKind::Revenue, AccountKind::Breakage].map(a_system);
    given([an_issuance(), a_customer(1), a_customer(2)].into_iter().chain(systems))
}

/// A grant of one series to the first user.
fn of_series(number: u32, amount: i64, after_ms: i64, roll_over: RollOver) -> Command {
    let terms = LotTerms {
        series: LotTerms::series("subscription/1"),
        expires_at_ms: Some(NOON_MS + after_ms),
        ..LotTerms::lasting("plan")
    };
    let leg = Leg { debit: issuance(), credit: customer(1), amount };
    a_command(number, Verb::Grant(Box::new(Grant { leg, terms, roll_over })))
}

fn but(change: impl FnOnce(&mut Grant)) -> Command {
    let mut command = a_grant(1, 1, 10, Some(1_000));
    if let Verb::Grant(grant) = &mut command.verb {
        change(grant);
    }
    command
}

#[test]
fn a_grant_is_a_lot_with_its_terms() {
    let world = world().and(a_grant(1, 1, 10, Some(1_000)));
    let lots = world.lot_views(a_customer(1));
    assert_eq!((lots[0].granted, lots[0].free, lots[0].held), (10, 10, 0));
    assert_eq!(lots[0].id, an_operation(1).as_uuid());
    assert_eq!(lots[0].terms.expires_at_ms, Some(NOON_MS + 1_000));
    assert_eq!(&*lots[0].terms.source, "plan");
    assert_eq!(world.due(), Some(NOON_MS + 1_000));
}

#[test]
fn what_cannot_be_granted_is_refused() {
    let refused = Rejection::AmountNotPositive { index: 0, amount: 0 };
    world().when(&but(|grant| grant.leg.amount = 0)).then_rejected(refused);
    let refused = Rejection::malformed("/source", "1 to 40 characters");
    world().when(&but(|grant| grant.terms.source = "".into())).then_rejected(refused);
    let refused = Rejection::ExpiryInThePast;
    world().when(&but(|grant| grant.terms.expires_at_ms = Some(NOON_MS))).then_rejected(refused);
    let refused = Rejection::malformed("/roll_over/cap", "0 or above");
    world().when(&but(|grant| grant.roll_over = RollOver::Capped(-1))).then_rejected(refused);
    let refused = Rejection::NotASystemAccount { account: customer(2) };
    world().when(&but(|grant| grant.leg.debit = customer(2))).then_rejected(refused);
    let refused = Rejection::NotACustomer { account: issuance() };
    world().when(&but(|grant| grant.leg.credit = issuance())).then_rejected(refused);
}

#[test]
fn the_time_of_a_grant_is_the_tenants_and_never_runs_backwards() {
    let world = world().and_by(&a_request_later(5_000), a_post(9, issuance(), customer(2), 1));
    world.when(&a_grant(1, 1, 10, Some(4_000))).then_rejected(Rejection::ExpiryInThePast);
}

#[test]
fn what_is_owed_is_repaid_first() {
    let world = world().and(an_overdraft(1, 1, 50)).and(a_post(2, customer(1), customer(2), 30));
    let world = world.and(a_grant(3, 1, 20, Some(1_000)));
    assert_eq!((world.account(a_customer(1)).balance, world.lots(a_customer(1))), (-10, vec![]));
    let world = world.and(a_grant(4, 1, 20, Some(2_000)));
    assert_eq!((world.account(a_customer(1)).balance, world.lots(a_customer(1))), (10, vec![(10, 0)]));
}

#[test]
fn what_is_promised_on_overdraft_counts_as_owed() {
    let world =
        world().and(an_overdraft(1, 1, 50)).and(a_hold(2, 1, 50, None)).and(a_grant(3, 1, 100, Some(1_000)));
    assert_eq!(world.lots(a_customer(1)), [(50, 0)]);
    let world = world.and(a_capture(4, 2, None, false));
    assert_eq!((world.account(a_customer(1)).balance, world.lots(a_customer(1))), (50, vec![(50, 0)]));
}

#[test]
fn a_series_that_keeps_leaves_earlier_lots_alone() {
    let world =
        world().and(of_series(1, 10, 1_000, RollOver::Keep)).and(of_series(2, 10, 2_000, RollOver::Keep));
    assert_eq!(world.lots(a_customer(1)), [(10, 0), (10, 0)]);
}

#[test]
fn a_series_without_roll_over_moves_the_rest_to_breakage() {
    let world = world()
        .and(of_series(1, 10, 1_000, RollOver::None))
        .and(a_post(2, customer(1), issuance(), 4))
        .and(of_series(3, 10, 2_000, RollOver::None));
    assert_eq!(world.lots(a_customer(1)), [(10, 0)]);
    assert_eq!(world.account(a_system(AccountKind::Breakage)).balance, 6);
}

#[test]
fn a_series_that_rolls_over_moves_all_into_the_new_lot() {
    let world = world()
        .and(of_series(1, 10, 1_000, RollOver::All))
        .and(a_grant(9, 1, 3, Some(500)))
        .and(of_series(2, 10, 2_000, RollOver::All));
    assert_eq!(world.lots(a_customer(1)), [(3, 0), (20, 0)], "other lots are none of its business");
    assert_eq!(world.lot_views(a_customer(1))[1].granted, 20);
    assert_eq!(world.account(a_system(AccountKind::Breakage)).balance, 0);
}

#[test]
fn a_capped_series_lets_the_soonest_expire_and_keeps_held_units_where_they_are() {
    let world = world()
        .and(of_series(1, 10, 1_000, RollOver::Keep))
        .and(of_series(2, 10, 2_000, RollOver::Keep))
        .and(a_hold(3, 1, 4, None))
        .and(of_series(4, 10, 3_000, RollOver::Capped(7)));
    assert_eq!(world.lots(a_customer(1)), [(0, 4), (17, 0)], "7 of 16 free ones are carried over");
    assert_eq!(world.account(a_system(AccountKind::Breakage)).balance, 9);
    let world = world.and(a_release(5, 3, None));
    assert_eq!(world.lots(a_customer(1)), [(4, 0), (17, 0)]);
}

#[test]
fn a_cap_of_zero_carries_nothing_and_a_large_one_everything() {
    for (cap, lots) in [(0, vec![(10, 0)]), (10, vec![(20, 0)]), (i64::MAX, vec![(20, 0)])] {
        let world = world().and(of_series(1, 10, 1_000, RollOver::Keep));
        assert_eq!(world.and(of_series(2, 10, 2_000, RollOver::Capped(cap))).lots(a_customer(1)), lots);
    }
}

#[test]
fn a_series_belongs_to_one_account() {
    let mut elsewhere = of_series(1, 10, 1_000, RollOver::Keep);
    if let Verb::Grant(grant) = &mut elsewhere.verb {
        grant.leg.credit = customer(2);
    }
    let world = world().and(elsewhere).and(of_series(2, 10, 2_000, RollOver::None));
    assert_eq!(world.lots(a_customer(2)), [(10, 0)]);
}

#[test]
fn a_refused_grant_leaves_the_series_alone() {
    let frozen = crate::given::a_freeze(2, 1, crate::Freeze::All);
    let world = world().and(of_series(1, 10, 1_000, RollOver::None)).and(frozen);
    let refused = Rejection::AccountFrozen { account: customer(1) };
    world.clone().when(&of_series(3, 10, 2_000, RollOver::None)).then_rejected(refused);
    assert_eq!(world.lots(a_customer(1)), [(10, 0)]);
}
