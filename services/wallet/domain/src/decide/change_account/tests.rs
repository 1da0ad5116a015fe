//! Freezing, closing, overdrafts, and alerts that are said once per crossing.

use super::*;
use crate::effect::Alerted;
use crate::given::{Given, a_change, a_freeze, an_overdraft, given};
use crate::samples::{
    a_command, a_customer, a_grant, a_hold, a_post, a_release, a_system, an_issuance, customer, issuance,
};
use crate::{Command, Verb};

fn world() -> Given {
    given([an_issuance(), a_system(AccountKind::Revenue), a_customer(1), a_customer(2)]).and(a_post(
        100,
        issuance(),
        customer(1),
        50,
    ))
}

fn low_below(below: i64) -> AccountChange {
    AccountChange::Alerts(Alerts { low_below: Some(below), ..Alerts::default() })
}

fn top_up(below: i64, amount: i64) -> AccountChange {
    AccountChange::Alerts(Alerts { low_below: None, top_up_below: Some(below), top_up_amount: amount })
}

/// What the last operation alerted to: available, threshold, top-up.
fn alerted(world: &Given) -> Vec<(i64, i64, i64)> {
    let alert = |change: Change| match change {
        Change::Alerted(Alerted { available, below, top_up_amount, .. }) => {
            Some((available, below, top_up_amount))
        }
        _ => None,
    };
    world.last_changes().into_iter().filter_map(alert).collect()
}

fn spend(number: u32, amount: i64) -> Command {
    a_post(number, customer(1), customer(2), amount)
}

#[test]
fn a_frozen_account_gives_nothing_or_gives_and_takes_nothing() {
    let refused = || Rejection::AccountFrozen { account: customer(1) };
    let takes = a_post(3, issuance(), customer(1), 1);
    let debits = world().and(a_freeze(1, 1, Freeze::Debits));
    assert_eq!(debits.account(a_customer(1)).status, AccountStatus::DebitsFrozen);
    debits.clone().when(&spend(2, 1)).then_rejected(refused());
    debits.when(&takes).then_posted(&[(0, 2, 1, -51, 51)]);
    let all = world().and(a_freeze(1, 1, Freeze::All));
    all.clone().when(&spend(2, 1)).then_rejected(refused());
    all.clone().when(&takes).then_rejected(refused());
    let open = all.and(a_freeze(4, 1, Freeze::None));
    open.when(&spend(2, 1)).then_posted(&[(2, 3, 1, 49, 1)]);
}

#[test]
fn an_account_is_closed_when_empty_and_for_good() {
    let refused = Rejection::AccountNotEmpty { account: customer(1), balance: 50, held: 0 };
    world().when(&a_change(1, 1, AccountChange::Close)).then_rejected(refused);
    let closed = world().and(spend(1, 50)).and(a_change(2, 1, AccountChange::Close));
    let refused = || Rejection::AccountClosed { account: customer(1) };
    closed.clone().when(&spend(3, 1)).then_rejected(refused());
    closed.clone().when(&a_post(3, issuance(), customer(1), 1)).then_rejected(refused());
    closed.clone().when(&a_hold(3, 1, 1, None)).then_rejected(refused());
    closed.clone().when(&a_grant(3, 1, 1, None)).then_rejected(refused());
    closed.when(&a_freeze(3, 1, Freeze::None)).then_rejected(refused());
}

#[test]
fn an_account_that_holds_is_not_empty() {
    let world = given([an_issuance(), a_system(AccountKind::Revenue), a_customer(1)])
        .and(an_overdraft(1, 1, 10))
        .and(a_hold(2, 1, 10, None));
    let refused = Rejection::AccountNotEmpty { account: customer(1), balance: 0, held: 10 };
    world.when(&a_change(3, 1, AccountChange::Close)).then_rejected(refused);
}

#[test]
fn an_overdraft_may_be_spent_and_lowered_below_what_is_owed() {
    let world = world().and(an_overdraft(1, 1, 30)).and(spend(2, 80));
    assert_eq!(world.account(a_customer(1)).balance, -30);
    let world = world.and(an_overdraft(3, 1, 10));
    assert_eq!(world.account(a_customer(1)).available(), -20);
    let refused = Rejection::InsufficientFunds { account: customer(1), available: -20, needed: 1 };
    world.clone().when(&spend(4, 1)).then_rejected(refused);
    let world = world.and(a_post(5, issuance(), customer(1), 25));
    world.when(&spend(6, 5)).then_posted(&[(2, 3, 5, -10, 85)]);
}

#[test]
fn an_overdraft_is_zero_or_above_and_for_customers() {
    let refused = Rejection::malformed("/overdraft_limit", "0 or above");
    world().when(&an_overdraft(1, 1, -1)).then_rejected(refused);
    for change in [AccountChange::Overdraft(1), low_below(1)] {
        let command = a_command(1, Verb::ChangeAccount(ChangeAccount { account: issuance(), change }));
        world().when(&command).then_rejected(Rejection::NotACustomer { account: issuance() });
    }
}

#[test]
fn a_top_up_has_a_threshold_and_an_amount() {
    for (top_up_below, top_up_amount) in [(Some(5), 0), (Some(5), -1), (None, 5), (None, -5)] {
        let alerts = Alerts { low_below: Some(1), top_up_below, top_up_amount };
        let refused = Rejection::malformed("/top_up_amount", "above zero, with a threshold");
        world().when(&a_change(1, 1, AccountChange::Alerts(alerts))).then_rejected(refused);
    }
}

#[test]
fn an_alert_is_said_once_per_crossing_and_armed_again_when_enough_is_there() {
    let world = world().and(a_change(1, 1, low_below(20)));
    assert!(alerted(&world).is_empty());
    let world = world.and(spend(2, 30));
    assert!(alerted(&world).is_empty(), "20 are not below 20");
    let world = world.and(spend(3, 1));
    assert_eq!(alerted(&world), [(19, 20, 0)]);
    let world = world.and(spend(4, 1));
    assert!(alerted(&world).is_empty(), "it was said");
    let world = world.and(a_post(5, issuance(), customer(1), 10));
    assert_eq!(alerted(&world), [(28, 20, 0)], "enough is there again");
    assert_eq!(alerted(&world.and(spend(6, 20))), [(8, 20, 0)]);
}

#[test]
fn holds_and_releases_cross_thresholds_too() {
    let world = world().and(a_change(1, 1, top_up(20, 100))).and(a_hold(2, 1, 40, None));
    assert_eq!(alerted(&world), [(10, 20, 100)]);
    assert_eq!(alerted(&world.and(a_release(3, 2, None))), [(50, 20, 100)]);
}

#[test]
fn both_thresholds_are_watched_apart() {
    let alerts = Alerts { low_below: Some(40), top_up_below: Some(20), top_up_amount: 7 };
    let world = world().and(a_change(1, 1, AccountChange::Alerts(alerts)));
    let world = world.and(spend(2, 15));
    assert_eq!(alerted(&world), [(35, 40, 0)]);
    let world = world.and(spend(3, 20));
    assert_eq!(alerted(&world), [(15, 20, 7)]);
    assert_eq!(alerted(&world.and(a_post(4, issuance(), customer(1), 50))), [(65, 40, 0), (65, 20, 7)]);
}

#[test]
fn new_thresholds_are_looked_at_at_once() {
    let world = world().and(a_change(1, 1, low_below(60)));
    assert_eq!(alerted(&world), [(50, 60, 0)], "it was below already");
    let world = world.and(a_change(2, 1, low_below(60)));
    assert!(alerted(&world).is_empty(), "the same again changes nothing");
    let world = world.and(a_change(3, 1, low_below(55)));
    assert_eq!(alerted(&world), [(50, 55, 0)]);
    let world = world.and(a_change(4, 1, low_below(10)));
    assert!(alerted(&world).is_empty());
    let world = world.and(a_change(5, 1, low_below(60))).and(a_change(
        6,
        1,
        AccountChange::Alerts(Alerts::default()),
    ));
    assert!(alerted(&world).is_empty(), "nobody asks any more");
    assert_eq!(world.account(a_customer(1)).alerts, Alerts::default());
    assert!(alerted(&world.and(spend(7, 50))).is_empty());
}

#[test]
fn an_overdraft_crosses_thresholds() {
    let world = world().and(a_change(1, 1, low_below(60))).and(an_overdraft(2, 1, 20));
    assert_eq!(alerted(&world), [(70, 60, 0)]);
    assert_eq!(alerted(&world.and(an_overdraft(3, 1, 0))), [(50, 60, 0)]);
}
