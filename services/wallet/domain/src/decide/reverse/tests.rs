//! Whole and partial reversals, and what becomes of lots.

use smallvec::SmallVec;

use super::*;
use crate::given::{Given, an_overdraft, given};
use crate::samples::{
    NOON_MS, a_capture, a_command, a_customer, a_grant, a_hold, a_post, a_release, a_request,
    a_request_later, a_system, an_account_in_euro, an_issuance, an_operation, customer, issuance, tenant,
};
use crate::{AccountKind, AccountTerms, Command, Convert, Leg, Verb};

fn world() -> Given {
    let systems = [AccountKind::Revenue, AccountKind::Breakage].map(a_system);
    given([an_issuance(), a_customer(1), a_customer(2)].into_iter().chain(systems))
}

fn undo(world: &Given, number: u32, operation: u32, parts: &[(u32, i64)]) -> Command {
    let original = world.recorded(an_operation(operation));
    let parts: SmallVec<[Part; 1]> =
        parts.iter().map(|(leg, amount)| Part { leg: *leg, amount: *amount }).collect();
    a_command(number, Verb::Reverse(Box::new(Reverse { original, parts })))
}

fn and_undone(world: Given, number: u32, operation: u32, parts: &[(u32, i64)]) -> Given {
    let command = undo(&world, number, operation, parts);
    world.and(command)
}

#[test]
fn a_post_is_undone_once() {
    let world = and_undone(world().and(a_post(1, issuance(), customer(1), 10)), 2, 1, &[]);
    assert_eq!(world.account(a_customer(1)).balance, 0);
    assert_eq!(world.state().undone(tenant(), an_operation(1)), [10]);
    let again = undo(&world, 3, 1, &[]);
    world.when(&again).then_rejected(Rejection::AlreadyReversed { operation: an_operation(1) });
}

#[test]
fn a_post_is_undone_in_parts_up_to_what_is_left() {
    let world = and_undone(world().and(a_post(1, issuance(), customer(1), 10)), 2, 1, &[(0, 4)]);
    assert_eq!(world.account(a_customer(1)).balance, 6);
    let more = undo(&world, 3, 1, &[(0, 7)]);
    let refused = Rejection::AmountExceedsOriginal { leg: 0, left: 6, needed: 7 };
    world.clone().when(&more).then_rejected(refused);
    let twice = undo(&world, 3, 1, &[(0, 4), (0, 4)]);
    let refused = Rejection::AmountExceedsOriginal { leg: 0, left: 6, needed: 8 };
    world.clone().when(&twice).then_rejected(refused);
    let world = and_undone(world, 3, 1, &[]);
    assert_eq!(world.account(a_customer(1)).balance, 0, "the rest");
}

#[test]
fn parts_name_legs_of_the_original_and_amounts_above_zero() {
    let world = world().and(a_post(1, issuance(), customer(1), 10));
    let unknown = undo(&world, 2, 1, &[(1, 4)]);
    world.clone().when(&unknown).then_rejected(Rejection::LegUnknown { leg: 1 });
    let nothing = undo(&world, 2, 1, &[(0, 4), (0, 0)]);
    world.when(&nothing).then_rejected(Rejection::AmountNotPositive { index: 1, amount: 0 });
}

#[test]
fn every_leg_of_linked_postings_goes_back_in_its_turn() {
    let legs = [
        Leg { debit: issuance(), credit: customer(1), amount: 100 },
        Leg { debit: customer(1), credit: customer(2), amount: 60 },
    ];
    let world = world().and(a_command(1, Verb::Post(legs.as_slice().into())));
    let whole = undo(&world, 2, 1, &[]);
    world.clone().when(&whole).then_refused_with("insufficient_funds");
    let world = and_undone(and_undone(world, 2, 1, &[(1, 60)]), 3, 1, &[]);
    assert_eq!(world.account(an_issuance()).balance, 0);
    assert_eq!(world.state().undone(tenant(), an_operation(1)), [100, 60]);
}

#[test]
fn what_was_spent_since_cannot_be_taken_back() {
    let world =
        world().and(a_post(1, issuance(), customer(1), 10)).and(a_post(2, customer(1), customer(2), 3));
    let whole = undo(&world, 3, 1, &[]);
    let refused = Rejection::InsufficientFunds { account: customer(1), available: 7, needed: 10 };
    world.when(&whole).then_rejected(refused);
}

#[test]
fn lots_come_back_on_their_terms_those_spent_last_first() {
    let world = world()
        .and(a_grant(1, 1, 10, Some(1_000)))
        .and(a_grant(2, 1, 10, Some(2_000)))
        .and(a_post(3, issuance(), customer(1), 10))
        .and(a_post(4, customer(1), a_system(AccountKind::Revenue).account, 30));
    assert!(world.lots(a_customer(1)).is_empty());
    let world = and_undone(world, 5, 4, &[(0, 12)]);
    let expiries = |world: &Given| -> Vec<_> {
        world.lot_views(a_customer(1)).iter().map(|lot| (lot.free, lot.terms.expires_at_ms)).collect()
    };
    assert_eq!(expiries(&world), [(2, Some(NOON_MS + 2_000))], "10 were in no lot, 2 in the second");
    let world = and_undone(world, 6, 4, &[(0, 10)]);
    let second = Some(NOON_MS + 2_000);
    assert_eq!(expiries(&world), [(2, Some(NOON_MS + 1_000)), (10, second)]);
    let world = and_undone(world, 7, 4, &[]);
    assert_eq!(expiries(&world).iter().map(|(free, _)| free).sum::<i64>(), 20);
    assert_eq!(world.account(a_customer(1)).balance, 30);
}

#[test]
fn a_lot_that_comes_back_after_its_time_expires_at_the_next_look() {
    let world = world().and(a_grant(1, 1, 10, Some(1_000))).and(a_post(
        2,
        customer(1),
        a_system(AccountKind::Revenue).account,
        10,
    ));
    let later = undo(&world, 3, 2, &[]);
    let world = world.and_by(&a_request_later(5_000), later).and_expired(&a_request_later(5_000));
    assert_eq!(world.account(a_customer(1)).balance, 0);
    assert_eq!(world.account(a_system(AccountKind::Breakage)).balance, 10);
}

#[test]
fn a_grant_takes_its_own_lot_first() {
    let world = world().and(a_grant(1, 1, 10, Some(1_000))).and(a_grant(2, 1, 10, Some(2_000)));
    let world = and_undone(world, 3, 2, &[]);
    assert_eq!(world.lots(a_customer(1)), [(10, 0)]);
    assert_eq!(world.lot_views(a_customer(1))[0].id, an_operation(1).as_uuid());
}

#[test]
fn a_grant_that_was_spent_in_part_takes_the_rest_in_order() {
    let world = world()
        .and(a_grant(1, 1, 10, Some(1_000)))
        .and(a_post(2, customer(1), issuance(), 4))
        .and(a_grant(3, 1, 10, Some(500)));
    let world = and_undone(world, 4, 1, &[]);
    assert_eq!(world.lots(a_customer(1)), [(6, 0)]);
    assert_eq!(world.lot_views(a_customer(1))[0].id, an_operation(3).as_uuid());
}

#[test]
fn a_transfer_takes_back_what_it_put_into_lots() {
    let gift = |number, amount| a_post(number, customer(1), customer(2), amount);
    let world = world()
        .and(a_grant(1, 1, 10, Some(2_000)))
        .and(a_grant(2, 1, 10, Some(3_000)))
        .and(a_grant(3, 2, 10, Some(1_000)))
        .and(a_grant(4, 2, 5, Some(3_000)))
        .and(gift(5, 14));
    assert_eq!(world.lots(a_customer(2)), [(10, 0), (10, 0), (9, 0)]);
    let world = and_undone(world, 6, 5, &[(0, 6)]);
    assert_eq!(world.lots(a_customer(2)), [(10, 0), (8, 0), (5, 0)], "four that joined, two of its own lot");
    assert_eq!(world.lots(a_customer(1)), [(2, 0), (10, 0)]);
    let world = and_undone(world, 7, 5, &[]);
    assert_eq!(world.lots(a_customer(2)), [(10, 0), (5, 0)]);
    assert_eq!(world.lots(a_customer(1)), [(10, 0), (10, 0)]);
}

#[test]
fn a_grant_keeps_what_it_carried_over() {
    let terms = LotTerms { series: 7, ..LotTerms::lasting("plan") };
    let grant = |number| {
        let leg = Leg { debit: issuance(), credit: customer(1), amount: 10 };
        let grant = crate::Grant { leg, terms: terms.clone(), roll_over: crate::RollOver::All };
        a_command(number, Verb::Grant(Box::new(grant)))
    };
    let world = and_undone(world().and(grant(1)).and(grant(2)), 3, 2, &[]);
    assert_eq!(world.lots(a_customer(1)), [(10, 0)]);
}

#[test]
fn what_is_returned_repays_what_is_owed_first() {
    let revenue = a_system(AccountKind::Revenue).account;
    let world = world()
        .and(an_overdraft(1, 1, 50))
        .and(a_grant(2, 1, 10, Some(1_000)))
        .and(a_post(3, customer(1), revenue, 10))
        .and(a_post(4, customer(1), revenue, 6));
    let world = and_undone(world, 5, 3, &[]);
    assert_eq!((world.account(a_customer(1)).balance, world.lots(a_customer(1))), (4, vec![(4, 0)]));
}

#[test]
fn a_capture_is_undone_like_a_post() {
    let world = world().and(a_grant(1, 1, 10, Some(1_000))).and(a_hold(2, 1, 10, None)).and(a_capture(
        3,
        2,
        Some(6),
        true,
    ));
    let world = and_undone(world, 4, 3, &[]);
    let lots = world.lot_views(a_customer(1));
    assert_eq!(lots.iter().map(|lot| lot.free).sum::<i64>(), 10);
    assert!(lots.iter().all(|lot| lot.terms.expires_at_ms == Some(NOON_MS + 1_000)));
}

#[test]
fn a_conversion_is_undone_as_a_whole_only() {
    let euro = an_account_in_euro(1);
    let liquidity = AccountTerms::system(tenant(), AccountKind::Liquidity, euro.asset);
    let convert =
        Convert { from: customer(1), to: euro.account, amount: 10, rate_numerator: 1, rate_denominator: 3 };
    let world = given([an_issuance(), a_customer(1), euro, liquidity, a_system(AccountKind::Liquidity)])
        .and(a_post(1, issuance(), customer(1), 10))
        .and(a_command(2, Verb::Convert(convert)));
    let part = undo(&world, 3, 2, &[(0, 5)]);
    world.clone().when(&part).then_rejected(Rejection::NotDivisible { operation: an_operation(2) });
    let world = and_undone(world, 3, 2, &[]);
    assert_eq!((world.account(a_customer(1)).balance, world.account(euro).balance), (10, 0));
}

#[test]
fn holds_reversals_and_expiries_are_not_reversed() {
    let held = world().and(a_post(1, issuance(), customer(1), 10)).and(a_hold(2, 1, 5, None));
    let held = and_undone(held.and(a_release(3, 2, Some(1))), 4, 1, &[(0, 2)]);
    for operation in [2, 3, 4] {
        let command = undo(&held, 5, operation, &[]);
        let refused = Rejection::NotReversible { operation: an_operation(operation) };
        held.clone().when(&command).then_rejected(refused);
    }
    let expired = world().and(a_grant(1, 1, 5, Some(10))).and_expired(&a_request_later(10));
    let expiry = expired.last_operation();
    let original = expired.recorded(expiry);
    let command = a_command(9, Verb::Reverse(Box::new(Reverse { original, parts: SmallVec::new() })));
    expired.when(&command).then_rejected(Rejection::NotReversible { operation: expiry });
}

#[test]
fn an_operation_of_another_tenant_is_not_reversed() {
    let elsewhere = crate::Request { tenant: ids::TenantId::derived(&["elsewhere"]), ..a_request() };
    let theirs = AccountTerms::system(elsewhere.tenant, AccountKind::Issuance, crate::Asset::TOKEN);
    let world = world().and(a_post(1, issuance(), customer(1), 10)).and_opened_by(&elsewhere, theirs);
    let command = undo(&world, 2, 1, &[]);
    let refused = Rejection::NotReversible { operation: an_operation(1) };
    world.when_by(&elsewhere, &command).then_rejected(refused);
}

#[test]
fn what_is_too_old_is_not_reversed_and_until_then_never_twice() {
    let world = and_undone(world().and(a_post(1, issuance(), customer(1), 10)), 2, 1, &[]);
    let again = undo(&world, 3, 1, &[]);
    let operation = an_operation(1);
    // The machine's clock is far ahead of the tenant's: only the tenant's time counts.
    let mut world = world.and_at(NOON_MS + 2 * REVERSIBLE_MS, a_post(4, issuance(), customer(2), 1));
    for (after_ms, refused) in [
        (REVERSIBLE_MS, Rejection::AlreadyReversed { operation }),
        (REVERSIBLE_MS + 1, Rejection::TooOldToReverse { operation }),
    ] {
        world.clone().when_by(&a_request_later(after_ms), &again).then_rejected(refused);
    }
    let late = a_request_later(REVERSIBLE_MS + 1);
    world = world.and_by(&late, a_post(5, issuance(), customer(2), 1));
    world = world.and_at(NOON_MS + 3 * REVERSIBLE_MS, a_post(6, issuance(), customer(2), 1));
    assert!(world.state().undone(tenant(), operation).is_empty(), "by then it is forgotten");
    world.when(&again).then_rejected(Rejection::TooOldToReverse { operation });
}
