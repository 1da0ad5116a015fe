//! Every verb against every status of the accounts that give and take: what goes through, and with
//! which code the rest is refused.

use smallvec::smallvec;

use crate::given::{Given, a_change, a_freeze, given};
use crate::samples::{
    a_capture, a_command, a_customer, a_grant, a_hold, a_post, a_release, a_system, an_account_in_euro,
    an_issuance, an_operation, customer, issuance, tenant,
};
use crate::{
    AccountChange, AccountKind, AccountTerms, Alerts, Asset, Command, Convert, Freeze, Hold, Leg, Meter,
    Part, Period, RecordUsage, ReserveUsage, Reverse, SettleUsage, Tier, Verb,
};

const DONE: &str = "done";
const FROZEN: &str = "account_frozen";
const CLOSED: &str = "account_closed";

/// What giving and what taking is refused with, by status: open, gives nothing, nothing, closed.
const GIVING: [&str; 4] = [DONE, FROZEN, FROZEN, CLOSED];
const TAKING: [&str; 4] = [DONE, DONE, FROZEN, CLOSED];
const NEITHER: [&str; 4] = [DONE; 4];

fn leg(debit: u32, credit: u32) -> Leg {
    Leg { debit: customer(debit), credit: customer(credit), amount: 5 }
}

fn usage(account: u32, credit: u32) -> RecordUsage {
    RecordUsage {
        meter: "calls".to_owned(),
        account: customer(account),
        credit: customer(credit),
        quantity: 5,
    }
}

fn reservation(account: u32, credit: u32) -> Verb {
    let RecordUsage { meter, account, credit, quantity } = usage(account, credit);
    Verb::ReserveUsage(ReserveUsage { meter, account, credit, quantity, expires_at_ms: None })
}

/// User 1 gives to user 2, who has had something and has nothing. User 3 has nothing at all.
fn world() -> Given {
    let euro = an_account_in_euro(1);
    let liquidity = AccountTerms::system(tenant(), AccountKind::Liquidity, euro.asset);
    let systems =
        [a_system(AccountKind::Revenue), a_system(AccountKind::Liquidity), liquidity, an_issuance()];
    let tiers = vec![Tier { up_to: None, price: 1 }];
    let (name, asset) = ("calls".to_owned(), Asset::TOKEN);
    let meter = Meter { name, asset, per: 1, tiers, period: Period::Ever, quota: None };
    given(systems.into_iter().chain([a_customer(1), a_customer(2), a_customer(3), euro]))
        .and(a_command(101, Verb::PutMeter(Box::new(meter))))
        .and(a_post(102, issuance(), customer(1), 100))
        .and(a_post(103, issuance(), customer(2), 5))
        .and(a_post(104, customer(2), issuance(), 5))
        .and(a_command(105, Verb::Hold(Hold { leg: leg(1, 2), expires_at_ms: None })))
        .and(a_command(106, reservation(1, 2)))
}

fn undo(world: &Given, operation: u32) -> Verb {
    let parts = smallvec![Part { leg: 0, amount: 5 }];
    Verb::Reverse(Box::new(Reverse { original: world.recorded(an_operation(operation)), parts }))
}

fn convert(user: u32) -> Verb {
    let (from, to) = (customer(user), an_account_in_euro(1).account);
    Verb::Convert(Convert { from, to, amount: 5, rate_numerator: 1, rate_denominator: 1 })
}

/// The account of a user in each status; a closed one had to be empty.
fn statuses(world: &Given, user: u32) -> Vec<Given> {
    let mut all = vec![world.clone()];
    all.extend([Freeze::Debits, Freeze::All].map(|freeze| world.clone().and(a_freeze(200, user, freeze))));
    if world.account(a_customer(user)).balance == 0 {
        all.push(world.clone().and(a_change(200, user, AccountChange::Close)));
    }
    all
}

#[track_caller]
fn check(name: &str, user: u32, command: &Command, expected: [&str; 4]) {
    for (world, expected) in statuses(&world(), user).into_iter().zip(expected) {
        assert_eq!(world.when(command).code(), expected, "{name}");
    }
}

#[test]
fn who_gives_must_be_open() {
    let settle = SettleUsage { hold: an_operation(106), quantity: 5 };
    for (name, verb) in [
        ("post", Verb::Post(smallvec![leg(1, 2)])),
        ("transfer", Verb::Transfer(leg(1, 2))),
        ("hold", Verb::Hold(Hold { leg: leg(1, 2), expires_at_ms: None })),
        ("reserve", reservation(1, 2)),
        ("record", Verb::RecordUsage(usage(1, 2))),
        ("settle", Verb::SettleUsage(settle)),
        ("convert", convert(1)),
        ("reverse", undo(&world(), 102)),
    ] {
        check(name, 1, &a_command(1, verb), GIVING);
    }
    check("capture", 1, &a_capture(1, 105, None, false), GIVING);
}

#[test]
fn a_closed_account_gives_nothing() {
    for (name, verb) in [
        ("post", Verb::Post(smallvec![leg(3, 2)])),
        ("transfer", Verb::Transfer(leg(3, 2))),
        ("hold", Verb::Hold(Hold { leg: leg(3, 2), expires_at_ms: None })),
        ("reserve", reservation(3, 2)),
        ("record", Verb::RecordUsage(usage(3, 2))),
        ("convert", convert(3)),
    ] {
        let closed = statuses(&world(), 3).pop().unwrap();
        assert_eq!(closed.when(&a_command(1, verb)).code(), CLOSED, "{name}");
    }
}

#[test]
fn who_takes_must_not_be_frozen_nor_closed() {
    let settle = SettleUsage { hold: an_operation(106), quantity: 5 };
    for (name, verb) in [
        ("post", Verb::Post(smallvec![leg(1, 2)])),
        ("transfer", Verb::Transfer(leg(1, 2))),
        ("record", Verb::RecordUsage(usage(1, 2))),
        ("settle", Verb::SettleUsage(settle)),
        ("reverse", undo(&world(), 104)),
    ] {
        check(name, 2, &a_command(1, verb), TAKING);
    }
    check("capture", 2, &a_capture(1, 105, None, false), TAKING);
    check("grant", 2, &a_grant(1, 2, 5, None), TAKING);
}

#[test]
fn what_moves_no_units_does_not_ask() {
    check("hold", 2, &a_command(1, Verb::Hold(Hold { leg: leg(1, 2), expires_at_ms: None })), NEITHER);
    check("reserve", 2, &a_command(1, reservation(1, 2)), NEITHER);
    check("hold elsewhere", 2, &a_hold(1, 1, 5, None), NEITHER);
    check("release", 1, &a_release(1, 105, None), NEITHER);
    check(
        "settle nothing",
        1,
        &a_command(1, Verb::SettleUsage(SettleUsage { hold: an_operation(106), quantity: 0 })),
        NEITHER,
    );
}

#[test]
fn settings_change_until_an_account_is_closed() {
    for change in [
        AccountChange::Freeze(Freeze::None),
        AccountChange::Close,
        AccountChange::Overdraft(5),
        AccountChange::Alerts(Alerts::default()),
    ] {
        check("change", 2, &a_change(1, 2, change), [DONE, DONE, DONE, CLOSED]);
    }
}
