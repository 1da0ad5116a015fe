//! Random commands of every verb, sensible and senseless, over a small chart of accounts, so that
//! many of them meet.

use std::sync::{Arc, LazyLock};

use ids::{AccountId, OperationId, TenantId};
use wallet_domain::samples::{tenant, user};
use wallet_domain::{
    AccountChange, AccountKind, AccountTerms, Alerts, Asset, Capture, ChangeAccount, Command, Convert,
    Freeze, Grant, Hold, Leg, LimitRule, LimitWindow, LimitedVerb, LotTerms, Meter, NewRecipient, Original,
    POSTINGS_MAX, Part, Period, RecordUsage, Release, ReserveUsage, Reverse, RollOver, SettleUsage, Tier,
    Verb,
};

use super::dice::Dice;

/// Where things are in [`chart`].
const CUSTOMERS: usize = 3;
const REVENUE: usize = 3;
const ISSUANCE: usize = 4;
const EURO: usize = 5;

pub(super) fn other_tenant() -> TenantId {
    TenantId::derived(&["other"])
}

static CHART: LazyLock<Vec<(TenantId, AccountTerms)>> = LazyLock::new(|| {
    let euro = "EUR".parse().unwrap_or(Asset::TOKEN);
    let own = |number, asset| (tenant(), AccountTerms::customer(tenant(), user(number), asset));
    let system = |kind, asset| (tenant(), AccountTerms::system(tenant(), kind, asset));
    let other = other_tenant();
    vec![
        own(1, Asset::TOKEN),
        own(2, Asset::TOKEN),
        own(3, Asset::TOKEN),
        system(AccountKind::Revenue, Asset::TOKEN),
        system(AccountKind::Issuance, Asset::TOKEN),
        own(1, euro),
        system(AccountKind::Liquidity, Asset::TOKEN),
        system(AccountKind::Liquidity, euro),
        (other, AccountTerms::customer(other, user(1), Asset::TOKEN)),
        (other, AccountTerms::system(other, AccountKind::Issuance, Asset::TOKEN)),
        system(AccountKind::Breakage, Asset::TOKEN),
        own(4, Asset::TOKEN),
    ]
});

/// Customers first; the last two are opened late, if at all.
pub(super) fn chart() -> &'static [(TenantId, AccountTerms)] {
    &CHART
}

/// What has been sent so far and can be referred to.
pub(super) struct Past<'a> {
    pub(super) holds: &'a [OperationId],
    pub(super) reservations: &'a [OperationId],
    /// A posted operation, when one is wanted.
    pub(super) original: &'a dyn Fn(&mut Dice) -> Option<Original>,
    /// The tenant's time.
    pub(super) at_ms: i64,
}

/// A new command under this id.
pub(super) fn command(dice: &mut Dice, operation: OperationId, past: &Past<'_>) -> Command {
    let verb = verb(dice, past);
    let reason = if dice.chance(8) { "" } else { "sim" };
    let mut command = Command::new(operation, verb, reason, format!("sim/{}", dice.below(9)));
    if dice.chance(100) {
        command.note.metadata = "{\"sim\":true}".to_owned();
    }
    command
}

/// The id of the operation with this number; every other one says its time.
pub(super) fn operation(number: usize, at_ms: i64) -> OperationId {
    if number.is_multiple_of(2) {
        return OperationId::derived(&["sim", &number.to_string()]);
    }
    let id = uuid::Uuid::from_u64_pair(at_ms.cast_unsigned() << 16 | 0x7000, 2 << 62 | number as u64);
    OperationId::from_uuid(id)
}

/// A post with one leg.
pub(super) fn simple_post(dice: &mut Dice) -> Leg {
    let mut leg = leg(dice);
    if dice.chance(400) {
        leg.debit = at(ISSUANCE);
    }
    leg
}

fn verb(dice: &mut Dice, past: &Past<'_>) -> Verb {
    match dice.below(100) {
        0..18 => Verb::Post((0..1 + dice.below(3)).map(|_| simple_post(dice)).collect()),
        18..20 => {
            let count = [0, POSTINGS_MAX, POSTINGS_MAX + 1][dice.below(3)];
            Verb::Post((0..count).map(|_| Leg { amount: 1, ..simple_post(dice) }).collect())
        }
        20..32 => grant(dice, past),
        32..42 => Verb::Hold(Hold { leg: leg(dice), expires_at_ms: expiry(dice, past) }),
        42..50 => Verb::Capture(Capture {
            hold: of(dice, past.holds),
            amount: dice.maybe(600, amount),
            release_rest: dice.chance(400),
        }),
        50..54 => Verb::Release(Release { hold: of(dice, past.holds), amount: dice.maybe(500, amount) }),
        54..61 => reverse(dice, past),
        61..65 => convert(dice),
        65..74 => Verb::Transfer(leg(dice)),
        74..80 => {
            let account = account(dice);
            Verb::ChangeAccount(ChangeAccount { account, change: change(dice) })
        }
        80..83 => Verb::SetLimits((0..dice.below(3)).map(|_| rule(dice)).collect()),
        83..87 => meter(dice),
        87..92 => Verb::ReserveUsage(ReserveUsage {
            meter: meter_name(dice),
            account: account(dice),
            credit: at(REVENUE),
            quantity: dice.between(-1, 30),
            expires_at_ms: expiry(dice, past),
        }),
        92..96 => Verb::SettleUsage(SettleUsage {
            hold: of(dice, past.reservations),
            quantity: dice.between(-1, 30),
        }),
        _ => Verb::RecordUsage(RecordUsage {
            meter: meter_name(dice),
            account: account(dice),
            credit: at(REVENUE),
            quantity: dice.between(-1, 30),
        }),
    }
}

fn at(place: usize) -> AccountId {
    chart()[place].1.account
}

/// Mostly customers of the first tenant.
fn account(dice: &mut Dice) -> AccountId {
    let place = if dice.chance(50) { dice.below(chart().len()) } else { dice.below(CUSTOMERS) };
    at(place)
}

fn leg(dice: &mut Dice) -> Leg {
    let (debit, credit) = (account(dice), if dice.chance(300) { at(REVENUE) } else { account(dice) });
    Leg { debit, credit, amount: amount(dice) }
}

fn amount(dice: &mut Dice) -> i64 {
    if dice.chance(15) { [0, -1, i64::MAX, i64::MIN][dice.below(4)] } else { dice.between(1, 60) }
}

/// Mostly one of the latest.
fn of(dice: &mut Dice, holds: &[OperationId]) -> OperationId {
    let back = dice.below(4) + 1;
    let known = holds.len().checked_sub(back).and_then(|place| holds.get(place));
    known.copied().unwrap_or(OperationId::derived(&["unknown"]))
}

fn expiry(dice: &mut Dice, past: &Past<'_>) -> Option<i64> {
    dice.maybe(600, |dice| past.at_ms + dice.between(-20, 1_500))
}

fn grant(dice: &mut Dice, past: &Past<'_>) -> Verb {
    let roll_over = match dice.below(4) {
        0 => RollOver::Keep,
        1 => RollOver::None,
        2 => RollOver::All,
        _ => RollOver::Capped(dice.between(-1, 40)),
    };
    let terms = LotTerms {
        source: "plan".into(),
        priority: [1, 100, 200][dice.below(3)],
        expires_at_ms: expiry(dice, past),
        series: dice.below(3) as u64,
    };
    let leg = Leg { debit: at(ISSUANCE), credit: account(dice), amount: amount(dice) };
    Verb::Grant(Box::new(Grant { leg, terms, roll_over }))
}

fn reverse(dice: &mut Dice, past: &Past<'_>) -> Verb {
    let Some(original) = (past.original)(dice) else { return Verb::Transfer(leg(dice)) };
    let some = |dice: &mut Dice| Part { leg: dice.below(3) as u32, amount: amount(dice) };
    let parts = dice.maybe(400, |dice| (0..=dice.below(2)).map(|_| some(dice)).collect());
    Verb::Reverse(Box::new(Reverse { original, parts: parts.unwrap_or_default() }))
}

fn convert(dice: &mut Dice) -> Verb {
    let (mut from, mut to) = (account(dice), at(EURO));
    if dice.chance(300) {
        std::mem::swap(&mut from, &mut to);
    }
    let (rate_numerator, rate_denominator) = (dice.between(0, 3), dice.between(1, 3));
    Verb::Convert(Convert { from, to, amount: amount(dice), rate_numerator, rate_denominator })
}

fn change(dice: &mut Dice) -> AccountChange {
    match dice.below(10) {
        0..3 => AccountChange::Overdraft(dice.between(-1, 80)),
        3 => AccountChange::Freeze(Freeze::Debits),
        4 => AccountChange::Freeze(Freeze::All),
        5 => AccountChange::Close,
        6..8 => AccountChange::Freeze(Freeze::None),
        _ => AccountChange::Alerts(Alerts {
            low_below: dice.maybe(500, |dice| dice.between(0, 100)),
            top_up_below: dice.maybe(500, |dice| dice.between(0, 100)),
            top_up_amount: dice.between(0, 1),
        }),
    }
}

fn rule(dice: &mut Dice) -> LimitRule {
    let verbs = [LimitedVerb::Spend, LimitedVerb::Transfer, LimitedVerb::Convert];
    LimitRule {
        name: ["a", "b"][dice.below(2)].to_owned(),
        asset: Some(Asset::TOKEN).filter(|_| dice.chance(900)),
        verbs: verbs.into_iter().filter(|_| dice.chance(400)).collect(),
        role: dice.maybe(300, |_| "tipper".to_owned()),
        operation_max: dice.maybe(300, |dice| dice.between(30, 100)),
        window: dice.maybe(700, |dice| LimitWindow {
            seconds: dice.between(7, 30) as u32,
            amount_max: dice.maybe(600, |dice| dice.between(60, 200)),
            count_max: dice.maybe(400, |dice| dice.between(2, 6) as u32),
        }),
        new_recipient: dice.maybe(300, |dice| NewRecipient {
            seconds: dice.between(1, 30) as u32,
            amount_max: dice.between(20, 100),
        }),
    }
}

fn meter_name(dice: &mut Dice) -> String {
    if dice.chance(900) { "calls".to_owned() } else { "minutes".to_owned() }
}

fn meter(dice: &mut Dice) -> Verb {
    let (up_to, first, then) = (Some(dice.between(1, 30)), dice.between(0, 3), dice.between(0, 3));
    Verb::PutMeter(Box::new(Meter {
        name: meter_name(dice),
        asset: Asset::TOKEN,
        per: dice.between(0, 10),
        tiers: vec![Tier { up_to, price: first }, Tier { up_to: None, price: then }],
        period: if dice.chance(500) { Period::Day } else { Period::Ever },
        quota: dice.maybe(500, |dice| dice.between(20, 150)),
    }))
}

/// Roles of who asks.
pub(super) fn roles(dice: &mut Dice) -> Arc<[String]> {
    dice.maybe(300, |_| [String::from("tipper")].into()).unwrap_or_default()
}
