//! Every rejection there is, produced by something that can be asked for.

use std::collections::BTreeSet;

use ids::{AccountId, OperationId, TenantId};

use crate::given::{Given, a_change, a_freeze, an_overdraft, given};
use crate::samples::{
    NOON_MS, a_capture, a_command, a_customer, a_grant, a_hold, a_post, a_release, a_request,
    a_request_later, a_system, an_account_in_euro, an_issuance, an_operation, customer, issuance, tenant,
};
use crate::{
    AccountChange, AccountKind, AccountTerms, Asset, Command, Convert, Expire, Freeze, Leg, LimitRule,
    LimitWindow, Meter, OpenAccount, Part, PartitionState, Period, RecordUsage, Rejection, Request,
    ReserveUsage, Reverse, SettleUsage, Tier, Verb, Writer, decide,
};

/// The codes as they are written in the list of rejections.
fn codes() -> BTreeSet<&'static str> {
    let source = include_str!("../rejection.rs");
    let arms = source.lines().filter_map(|line| line.trim().strip_prefix("Self::")?.split_once("=> \""));
    arms.filter_map(|(_, code)| code.strip_suffix("\",")).collect()
}

fn world() -> Given {
    let systems = [AccountKind::Revenue, AccountKind::Breakage, AccountKind::Liquidity].map(a_system);
    let euro = an_account_in_euro(1);
    let liquidity = AccountTerms::system(tenant(), AccountKind::Liquidity, euro.asset);
    let tiers = vec![Tier { up_to: None, price: 1 }];
    let (name, asset) = ("calls".to_owned(), Asset::TOKEN);
    let meter = Meter { name, asset, per: 1, tiers, period: Period::Ever, quota: Some(10) };
    given([an_issuance(), a_customer(1), a_customer(2), euro, liquidity].into_iter().chain(systems))
        .and(a_post(101, issuance(), customer(1), 100))
        .and(a_command(102, Verb::PutMeter(Box::new(meter))))
        .and(a_hold(103, 1, 10, None))
        .and(a_command(104, Verb::ReserveUsage(reservation(5))))
}

fn reservation(quantity: i64) -> ReserveUsage {
    let (meter, account) = ("calls".to_owned(), customer(1));
    ReserveUsage { meter, account, credit: customer(2), quantity, expires_at_ms: None }
}

fn record(meter: &str, quantity: i64) -> Verb {
    let usage = RecordUsage { meter: meter.to_owned(), account: customer(1), credit: customer(2), quantity };
    Verb::RecordUsage(usage)
}

fn undo(world: &Given, operation: OperationId, parts: &[(u32, i64)]) -> Verb {
    let parts = parts.iter().map(|(leg, amount)| Part { leg: *leg, amount: *amount }).collect();
    Verb::Reverse(Box::new(Reverse { original: world.recorded(operation), parts }))
}

fn convert(to: AccountId, amount: i64, rate_denominator: i64) -> Verb {
    Verb::Convert(Convert { from: customer(1), to, amount, rate_numerator: 1, rate_denominator })
}

/// Refusals of plain commands in the world as it is.
fn plain() -> Vec<Command> {
    let leg = |debit, credit, amount| Leg { debit, credit, amount };
    let settle = |hold, quantity| Verb::SettleUsage(SettleUsage { hold: an_operation(hold), quantity });
    let mut wordless = a_post(1, issuance(), customer(1), 1);
    wordless.note.reason = "".into();
    let mut wordy = a_post(1, issuance(), customer(1), 1);
    wordy.note.reference = "x".repeat(201);
    let mut talkative = a_post(1, issuance(), customer(1), 1);
    talkative.note.metadata = "x".repeat(1_025);
    let verbs = [
        Verb::Post(std::iter::empty().collect()),
        Verb::Post([leg(issuance(), customer(1), 1); 33].as_slice().into()),
        Verb::Transfer(leg(issuance(), customer(1), 1)),
        settle(103, 1),
        settle(104, 6),
        convert(customer(2), 5, 1),
        convert(an_account_in_euro(1).account, 1, 2),
        convert(an_account_in_euro(1).account, 1, 0),
        record("minutes", 1),
        record("calls", 0),
        record("calls", 6),
        Verb::Expire(Expire::Lot(7)),
        undo(&world(), an_operation(103), &[]),
        undo(&world(), an_operation(101), &[(1, 1)]),
        undo(&world(), an_operation(101), &[(0, 101)]),
    ];
    let mut from_user = a_grant(1, 1, 5, None);
    if let Verb::Grant(grant) = &mut from_user.verb {
        grant.leg.debit = customer(2);
    }
    let commands = [
        a_post(1, customer(9), customer(1), 1),
        a_post(1, issuance(), customer(1), 0),
        a_post(1, customer(1), customer(1), 1),
        a_post(1, customer(1), an_account_in_euro(1).account, 1),
        a_post(1, customer(1), customer(2), 1_000),
        a_post(1, issuance(), customer(1), i64::MAX),
        a_post(101, issuance(), customer(1), 101),
        a_change(1, 1, AccountChange::Close),
        a_capture(1, 9, None, false),
        a_capture(1, 104, None, false),
        a_capture(1, 103, Some(11), false),
        a_hold(1, 1, 5, Some(0)),
    ];
    let all = verbs.into_iter().map(|verb| a_command(1, verb)).chain(commands);
    all.chain([wordless, wordy, talkative, from_user]).collect()
}

/// Refusals that need a past.
fn after_a_past() -> Vec<Rejection> {
    let limited = |count_max, amount_max| {
        let rule = LimitRule {
            name: "daily".to_owned(),
            asset: Some(Asset::TOKEN),
            verbs: Vec::new(),
            role: None,
            operation_max: None,
            window: Some(LimitWindow { seconds: 60, amount_max, count_max }),
            new_recipient: None,
        };
        world().and(a_command(200, Verb::SetLimits(vec![rule])))
    };
    let spend = || a_post(1, customer(1), customer(2), 1);
    let closed = world().and(a_change(201, 2, AccountChange::Close));
    let frozen = world().and(a_freeze(201, 1, Freeze::All));
    let released = world().and(a_release(201, 103, None));
    let undone = undo(&world(), an_operation(101), &[]);
    let reversed = world().and(an_overdraft(202, 1, 100)).and(a_command(201, undone.clone()));
    let converted = world().and(a_command(201, convert(an_account_in_euro(1).account, 5, 1)));
    let in_part = undo(&converted, an_operation(201), &[(0, 1)]);
    let long_ago = a_request_later(401 * 24 * 3_600 * 1_000);
    vec![
        limited(Some(0), None).when(&spend()).refused(),
        limited(None, Some(0)).when(&spend()).refused(),
        closed.when(&spend()).refused(),
        frozen.when(&spend()).refused(),
        released.when(&a_release(1, 103, None)).refused(),
        reversed.when(&a_command(1, undone.clone())).refused(),
        converted.when(&a_command(1, in_part)).refused(),
        world().when_by(&long_ago, &a_command(1, undone)).refused(),
    ]
}

/// Refusals of openings, of empty ledgers, and of ids that may have been forgotten.
fn at_the_edges() -> Vec<Rejection> {
    let euro = AccountTerms { asset: "EUR".parse().unwrap(), ..a_customer(1) };
    let nobody = Request { tenant: TenantId::derived(&["nobody"]), ..a_request() };
    let limits = a_command(1, Verb::SetLimits(Vec::new()));
    let mut full = PartitionState::default();
    for number in 0..=u32::from(u16::MAX) {
        full.assets.number(format!("A{number}").parse().unwrap()).unwrap();
    }
    let opened = decide::open_account(&full, tenant(), &OpenAccount { terms: a_customer(1) });
    let mut rejections = vec![
        world().when_opened(euro).refused(),
        world().when_opened(AccountTerms { owner: None, ..a_customer(3) }).refused(),
        world()
            .when_opened(AccountTerms { owner: a_customer(1).owner, ..a_system(AccountKind::Promo) })
            .refused(),
        world().when_by(&nobody, &limits).refused(),
        opened.unwrap_err(),
    ];
    rejections.extend(forgotten());
    rejections
}

fn forgotten() -> Vec<Rejection> {
    let timed = |ms: i64, number: u64| {
        let high = ms.cast_unsigned() << 16 | 0x7000;
        OperationId::from_uuid(uuid::Uuid::from_u64_pair(high, 2 << 62 | number))
    };
    let mut writer = Writer::new(world().state().clone(), 0);
    let post = a_post(1, issuance(), customer(1), 1);
    for number in 0..520 {
        let commands = [an_operation(1_000 + number), timed(NOON_MS + i64::from(number), number.into())];
        for operation in commands {
            let looked_up = Command { operation, unseen_through: u64::MAX, ..post.clone() };
            writer.execute(&a_request(), &looked_up, NOON_MS).unwrap();
        }
        writer.cut();
    }
    [an_operation(1_000), timed(NOON_MS, 0)]
        .into_iter()
        .map(|operation| writer.execute(&a_request(), &Command { operation, ..post.clone() }, NOON_MS))
        .map(|answer| answer.unwrap_err().rejection().unwrap().clone())
        .collect()
}

#[test]
fn every_rejection_can_be_met() {
    let plain = plain().into_iter().map(|command| world().when(&command).refused());
    let met: Vec<_> = plain.chain(after_a_past()).chain(at_the_edges()).collect();
    let codes_met: BTreeSet<_> = met.iter().map(Rejection::code).collect();
    let never: Vec<_> = codes().difference(&codes_met).copied().collect();
    assert!(never.is_empty(), "never met: {never:?}");
    assert_eq!(codes().len(), 46, "the list was read");
}

#[test]
fn rejections_say_what_is_the_matter_in_one_line() {
    for command in plain() {
        let said = world().when(&command).refused().to_string();
        assert!(!said.is_empty() && !said.contains('\n'), "{said}");
    }
}

#[test]
fn every_rejection_is_in_the_reference() {
    let reference = include_str!("../../../../../docs/reference/ledger.md");
    let missing: Vec<_> =
        codes().into_iter().filter(|code| !reference.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/reference/ledger.md does not name {missing:?}");
}
