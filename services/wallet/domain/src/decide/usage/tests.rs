//! Reserving, settling, charging; quotas that count reservations.

use super::*;
use crate::given::{Given, an_overdraft, given};
use crate::samples::{
    NOON_MS, a_capture, a_command, a_customer, a_hold, a_post, a_release, a_request_later, a_system,
    an_account_in_euro, an_issuance, an_operation, customer, issuance, tenant,
};
use crate::{AccountKind, Asset, Command, Period, Tier, Verb};

const DAY_MS: i64 = 24 * 3_600 * 1_000;

fn a_meter(change: impl FnOnce(&mut Meter)) -> Command {
    let tiers = vec![Tier { up_to: Some(10), price: 3 }, Tier { up_to: None, price: 1 }];
    let (name, asset) = ("calls".to_owned(), Asset::TOKEN);
    let mut meter = Meter { name, asset, per: 1, tiers, period: Period::Day, quota: Some(100) };
    change(&mut meter);
    let operation = ids::OperationId::derived(&[&format!("{meter:?}")]);
    Command { operation, ..a_command(0, Verb::PutMeter(Box::new(meter))) }
}

fn world() -> Given {
    let systems = [a_system(AccountKind::Revenue), an_issuance()];
    given(systems.into_iter().chain([a_customer(1), a_customer(2)]))
        .and(a_post(100, issuance(), customer(1), 1_000))
        .and(a_meter(|_| {}))
}

fn revenue() -> ids::AccountId {
    a_system(AccountKind::Revenue).account
}

fn reserve(number: u32, quantity: i64) -> Command {
    let (meter, account) = ("calls".to_owned(), customer(1));
    let reserve = ReserveUsage { meter, account, credit: revenue(), quantity, expires_at_ms: None };
    a_command(number, Verb::ReserveUsage(reserve))
}

fn settle(number: u32, hold: u32, quantity: i64) -> Command {
    a_command(number, Verb::SettleUsage(SettleUsage { hold: an_operation(hold), quantity }))
}

fn record(number: u32, quantity: i64) -> Command {
    let (meter, account) = ("calls".to_owned(), customer(1));
    a_command(number, Verb::RecordUsage(RecordUsage { meter, account, credit: revenue(), quantity }))
}

/// Used and reserved.
fn usage(world: &Given, after_ms: i64) -> (i64, i64) {
    let account = world.account(a_customer(1)).number;
    let view = world.state().usage_of(tenant(), account, NOON_MS + after_ms).next().unwrap();
    (view.used, view.reserved)
}

#[test]
fn the_worst_case_is_reserved_and_what_it_was_is_settled() {
    let world = world().and(reserve(1, 20));
    assert_eq!((world.account(a_customer(1)).held, usage(&world, 0)), (60, (0, 20)));
    let settled = settle(2, 1, 12);
    let world = world.and(settled.clone());
    let account = world.account(a_customer(1));
    assert_eq!((account.balance, account.held), (1_000 - 32, 0));
    assert_eq!((usage(&world, 0), world.outcome_of(&settled).amount), ((12, 0), 32));
    assert_eq!(world.account(a_system(AccountKind::Revenue)).balance, 32);
}

#[test]
fn use_is_charged_at_once_and_climbs_through_the_tiers() {
    let world = world().and(record(1, 8)).and(record(2, 4));
    assert_eq!((world.account(a_customer(1)).balance, usage(&world, 0)), (1_000 - 24 - 8, (12, 0)));
}

#[test]
fn use_that_was_not_made_costs_nothing() {
    let world = world().and(reserve(1, 20)).and(settle(2, 1, 0));
    let account = world.account(a_customer(1));
    assert_eq!((account.balance, account.held, usage(&world, 0)), (1_000, 0, (0, 0)));
}

#[test]
fn free_use_is_reserved_and_counted() {
    let free = a_meter(|meter| meter.tiers = vec![Tier { up_to: None, price: 0 }]);
    let world = world().and(free).and(reserve(1, 20)).and(settle(2, 1, 5)).and(record(3, 1));
    assert_eq!((world.account(a_customer(1)).balance, usage(&world, 0)), (1_000, (6, 0)));
}

#[test]
fn never_more_than_was_reserved_is_charged() {
    let dearer = a_meter(|meter| meter.tiers = vec![Tier { up_to: None, price: 50 }]);
    let world = world().and(reserve(1, 10)).and(dearer).and(settle(2, 1, 10));
    assert_eq!(world.account(a_customer(1)).balance, 1_000 - 30, "prices have risen since");
    let refused = Rejection::QuantityExceedsReservation { reserved: 10, used: 11 };
    self::world().and(reserve(1, 10)).when(&settle(2, 1, 11)).then_rejected(refused);
    let refused = Rejection::QuantityExceedsReservation { reserved: 10, used: -1 };
    self::world().and(reserve(1, 10)).when(&settle(2, 1, -1)).then_rejected(refused);
}

#[test]
fn a_quota_counts_what_is_used_and_what_is_reserved() {
    let world = world().and(record(1, 30)).and(reserve(2, 60));
    let refused =
        |needed| Rejection::QuotaExceeded { meter: "calls".to_owned(), quota: 100, used: 90, needed };
    world.clone().when(&reserve(3, 11)).then_rejected(refused(11));
    world.clone().when(&record(3, 11)).then_rejected(refused(11));
    let world = world.and(settle(4, 2, 0)).and(record(5, 70));
    assert_eq!(usage(&world, 0), (100, 0));
}

#[test]
fn a_released_or_expired_reservation_gives_its_quota_back() {
    let world = world().and(reserve(1, 60)).and(a_release(2, 1, None));
    assert_eq!(usage(&world, 0), (0, 0));
    let mut expiring = reserve(3, 60);
    if let Verb::ReserveUsage(usage) = &mut expiring.verb {
        usage.expires_at_ms = Some(NOON_MS + 10);
    }
    let world = world.and(expiring).and_expired(&a_request_later(10));
    assert_eq!((usage(&world, 0), world.account(a_customer(1)).held), ((0, 0), 0));
}

#[test]
fn counting_begins_anew_with_the_period_but_reservations_stay() {
    let world = world().and(record(1, 50)).and(reserve(2, 50));
    assert_eq!(usage(&world, DAY_MS), (0, 50));
    let world = world.and_by(&a_request_later(DAY_MS), record(3, 50));
    assert_eq!(usage(&world, DAY_MS), (50, 50));
    let world = world.and_by(&a_request_later(DAY_MS), settle(4, 2, 50));
    assert_eq!(usage(&world, DAY_MS), (100, 0));
    let stepped_back = world.when(&record(5, 1));
    stepped_back.then_refused_with("quota_exceeded");
}

#[test]
fn a_reservation_is_not_captured_nor_released_in_part() {
    let world = world().and(reserve(1, 10));
    let refused = || Rejection::HoldForUsage { hold: an_operation(1) };
    world.clone().when(&a_capture(2, 1, None, false)).then_rejected(refused());
    world.clone().when(&a_release(2, 1, Some(1))).then_rejected(refused());
    let world = world.and(a_hold(3, 1, 5, None));
    world.clone().when(&settle(4, 3, 0)).then_rejected(Rejection::NotAReservation { hold: an_operation(3) });
    world.when(&settle(4, 9, 0)).then_rejected(Rejection::HoldUnknown { hold: an_operation(9) });
}

#[test]
fn use_has_a_meter_a_quantity_and_an_account_of_its_asset() {
    let mut unknown = record(1, 1);
    if let Verb::RecordUsage(usage) = &mut unknown.verb {
        usage.meter = "minutes".to_owned();
    }
    world().when(&unknown).then_rejected(Rejection::MeterUnknown { meter: "minutes".to_owned() });
    for quantity in [0, -1, i64::MIN] {
        world().when(&record(1, quantity)).then_rejected(Rejection::QuantityOutOfRange);
        world().when(&reserve(1, quantity)).then_rejected(Rejection::QuantityOutOfRange);
    }
    let euro = an_account_in_euro(1);
    let mut other = record(1, 1);
    if let Verb::RecordUsage(usage) = &mut other.verb {
        usage.account = euro.account;
    }
    let refused = Rejection::AssetMismatch { index: 0, debit: euro.asset, credit: Asset::TOKEN };
    given([a_system(AccountKind::Revenue), euro]).and(a_meter(|_| {})).when(&other).then_rejected(refused);
}

#[test]
fn nobody_reserves_for_themselves() {
    let mut reserve = reserve(1, 1);
    if let Verb::ReserveUsage(usage) = &mut reserve.verb {
        usage.credit = customer(1);
    }
    world().when(&reserve).then_rejected(Rejection::SameAccount { index: 0, account: customer(1) });
}

#[test]
fn quantities_that_cannot_be_counted_are_refused() {
    let boundless = a_meter(|meter| {
        meter.quota = None;
        meter.tiers = vec![Tier { up_to: None, price: 0 }];
    });
    let world = world().and(boundless).and(reserve(1, i64::MAX));
    world.clone().when(&reserve(2, 1)).then_rejected(Rejection::QuantityOutOfRange);
    let world = world.and(settle(3, 1, i64::MAX));
    world.when(&record(4, 1)).then_rejected(Rejection::QuantityOutOfRange);
    let dear = a_meter(|meter| {
        meter.quota = None;
        meter.tiers = vec![Tier { up_to: None, price: i64::MAX }];
        meter.per = 2;
    });
    let said = given([a_system(AccountKind::Revenue), an_issuance(), a_customer(1)]);
    let Verb::PutMeter(meter) = dear.verb else { panic!("a meter") };
    said.and(a_command(7, Verb::PutMeter(meter)))
        .when(&reserve(1, 3))
        .then_rejected(Rejection::QuantityOutOfRange);
}

#[test]
fn use_may_be_owed_where_agreed() {
    let world = world().and(an_overdraft(1, 1, 10)).and(a_post(2, customer(1), customer(2), 1_000));
    let world = world.and(record(3, 3));
    assert_eq!(world.account(a_customer(1)).balance, -9);
    world.when(&record(4, 1)).then_refused_with("insufficient_funds");
}
