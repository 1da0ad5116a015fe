//! Random work: every verb, sensible and senseless, with clocks that advance and step back.

use std::sync::LazyLock;

use ids::{AccountId, OperationId, TenantId};
use proptest::option::of;
use proptest::prelude::*;
use wallet_domain::samples::{NOON_MS, tenant, user};
use wallet_domain::{
    AccountChange, AccountKind, AccountTerms, Alerts, Asset, ChangeAccount, Convert, Freeze, Grant, Hold,
    Leg, LimitRule, LimitWindow, LimitedVerb, LotTerms, Meter, NewRecipient, Part, Period, RecordUsage,
    ReserveUsage, RollOver, Tier, Verb,
};

/// One step of a run.
#[derive(Debug, Clone)]
pub enum Step {
    /// Open an account of the chart.
    Open(usize),
    /// Do something, so many milliseconds later or earlier, perhaps for the other tenant.
    Do { wish: Wish, by_ms: i64, elsewhere: bool, tipper: bool },
    /// Send again what was acknowledged before.
    Repeat(usize),
    /// Send an id that was used before, with another body.
    Reuse(usize, Wish),
    /// Let at most so many things expire.
    Tick { by_ms: i64, limit: usize },
    /// End the batch; the second writer goes on from a snapshot if asked to.
    Cut { reload: bool },
}

/// What is to be done; what lies in the past is chosen when it is known.
#[derive(Debug, Clone)]
pub enum Wish {
    Verb(Verb),
    Capture { nth: usize, amount: Option<i64>, release_rest: bool },
    Release { nth: usize, amount: Option<i64> },
    Settle { nth: usize, quantity: i64 },
    Reverse { nth: usize, parts: Vec<Part> },
}

pub fn other_tenant() -> TenantId {
    TenantId::derived(&["other"])
}

pub fn euro() -> Asset {
    "EUR".parse().unwrap()
}

static CHART: LazyLock<Vec<(TenantId, AccountTerms)>> = LazyLock::new(|| {
    let mine = |terms| (tenant(), terms);
    let system = |kind, asset| mine(AccountTerms::system(tenant(), kind, asset));
    let mut chart: Vec<_> =
        (1..4).map(|number| mine(AccountTerms::customer(tenant(), user(number), Asset::TOKEN))).collect();
    chart.push(system(AccountKind::Revenue, Asset::TOKEN));
    chart.push(system(AccountKind::Issuance, Asset::TOKEN));
    chart.push(mine(AccountTerms::customer(tenant(), user(1), euro())));
    chart.push(system(AccountKind::Breakage, Asset::TOKEN));
    chart.extend([Asset::TOKEN, euro()].map(|asset| system(AccountKind::Liquidity, asset)));
    chart.push((other_tenant(), AccountTerms::customer(other_tenant(), user(1), Asset::TOKEN)));
    chart.push((other_tenant(), AccountTerms::system(other_tenant(), AccountKind::Issuance, Asset::TOKEN)));
    chart.push(mine(AccountTerms::customer(tenant(), user(4), Asset::TOKEN)));
    chart
});

/// Customers first, then where units go to and come from; the last one is opened late, if at all.
pub fn chart() -> &'static [(TenantId, AccountTerms)] {
    &CHART
}

pub fn steps(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Step>> {
    let by_ms = || prop_oneof![60 => 0..2_000_i64, 20 => -3_000..0_i64, 1 => 0..100_000_000_i64];
    let step = prop_oneof![
        1 => (0..chart().len()).prop_map(Step::Open),
        24 => (wish(), by_ms(), proptest::bool::weighted(0.04), any::<bool>())
            .prop_map(|(wish, by_ms, elsewhere, tipper)| Step::Do { wish, by_ms, elsewhere, tipper }),
        1 => any::<usize>().prop_map(Step::Repeat),
        1 => (any::<usize>(), wish()).prop_map(|(nth, wish)| Step::Reuse(nth, wish)),
        3 => (by_ms(), prop_oneof![4 => Just(1_000), 1 => 0..3_usize])
            .prop_map(|(by_ms, limit)| Step::Tick { by_ms, limit }),
        3 => any::<bool>().prop_map(|reload| Step::Cut { reload }),
    ];
    proptest::collection::vec(step.boxed(), length)
}

fn wish() -> BoxedStrategy<Wish> {
    let part = (0..4_u32, amount()).prop_map(|(leg, amount)| Part { leg, amount });
    let some = || of(amount());
    prop_oneof![
        20 => verb().prop_map(Wish::Verb),
        4 => (any::<usize>(), some(), any::<bool>())
            .prop_map(|(nth, amount, release_rest)| Wish::Capture { nth, amount, release_rest }),
        2 => (any::<usize>(), some()).prop_map(|(nth, amount)| Wish::Release { nth, amount }),
        2 => (any::<usize>(), -1..60_i64).prop_map(|(nth, quantity)| Wish::Settle { nth, quantity }),
        3 => (any::<usize>(), proptest::collection::vec(part, 0..2))
            .prop_map(|(nth, parts)| Wish::Reverse { nth, parts }),
    ]
    .boxed()
}

fn verb() -> BoxedStrategy<Verb> {
    prop_oneof![
        4 => proptest::collection::vec(leg(), 0..3).prop_map(|legs| Verb::Post(legs.into())),
        8 => (leg(), expiry()).prop_map(|(leg, expires_at_ms)| Verb::Hold(Hold { leg, expires_at_ms })),
        5 => leg().prop_map(Verb::Transfer),
        14 => grant(),
        2 => (account(), Just(5_usize), any::<bool>(), amount(), 0..4_i64, 1..4_i64).prop_map(
            |(one, other, back, amount, rate_numerator, rate_denominator)| {
                let (mut from, mut to) = (one, chart()[other].1.account);
                if back {
                    std::mem::swap(&mut from, &mut to);
                }
                Verb::Convert(Convert { from, to, amount, rate_numerator, rate_denominator })
            }
        ),
        3 => (account(), change()).prop_map(|(account, change)| {
            Verb::ChangeAccount(ChangeAccount { account, change })
        }),
        1 => proptest::collection::vec(rule(), 0..3).prop_map(Verb::SetLimits),
        2 => meter(),
        4 => (meter_name(), account(), account(), -1..60_i64, expiry()).prop_map(
            |(meter, account, credit, quantity, expires_at_ms)| {
                Verb::ReserveUsage(ReserveUsage { meter, account, credit, quantity, expires_at_ms })
            }
        ),
        4 => (meter_name(), account(), account(), -1..60_i64).prop_map(
            |(meter, account, credit, quantity)| {
                Verb::RecordUsage(RecordUsage { meter, account, credit, quantity })
            }
        ),
    ]
    .boxed()
}

fn amount() -> BoxedStrategy<i64> {
    prop_oneof![300 => 1..120_i64, 20 => -1..2_i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)].boxed()
}

/// Mostly customers of the first tenant, and where they spend.
fn account() -> BoxedStrategy<AccountId> {
    let all = prop_oneof![16 => 0..3_usize, 5 => Just(3_usize), 1 => 0..chart().len()];
    all.prop_map(|index| chart()[index].1.account).boxed()
}

fn leg() -> BoxedStrategy<Leg> {
    (account(), account(), amount()).prop_map(|(debit, credit, amount)| Leg { debit, credit, amount }).boxed()
}

/// So many milliseconds from then on.
fn expiry() -> BoxedStrategy<Option<i64>> {
    of(prop_oneof![1 => -1_000..1_i64, 20 => 1..40_000_i64]).boxed()
}

fn grant() -> BoxedStrategy<Verb> {
    let policy = prop_oneof![
        Just(RollOver::Keep),
        Just(RollOver::None),
        Just(RollOver::All),
        (-1..80_i64).prop_map(RollOver::Capped)
    ];
    let priority = prop_oneof![Just(1), Just(100), Just(200)];
    (leg(), Just(4_usize), priority, expiry(), 0..3_u64, policy)
        .prop_map(|(leg, from, priority, expires_at_ms, series, roll_over)| {
            let debit = if leg.amount % 32 == 3 { leg.debit } else { chart()[from].1.account };
            let terms = LotTerms { source: "plan".into(), priority, expires_at_ms, series };
            Verb::Grant(Box::new(Grant { leg: Leg { debit, ..leg }, terms, roll_over }))
        })
        .boxed()
}

fn change() -> BoxedStrategy<AccountChange> {
    let threshold = || of(0..200_i64);
    let freeze = prop_oneof![8 => Just(Freeze::None), 1 => Just(Freeze::Debits), 1 => Just(Freeze::All)];
    prop_oneof![
        8 => freeze.prop_map(AccountChange::Freeze),
        1 => Just(AccountChange::Close),
        12 => (-1..100_i64).prop_map(AccountChange::Overdraft),
        8 => (threshold(), threshold(), 0..2_i64).prop_map(|(low_below, top_up_below, top_up_amount)| {
            AccountChange::Alerts(Alerts { low_below, top_up_below, top_up_amount })
        }),
    ]
    .boxed()
}

fn rule() -> BoxedStrategy<LimitRule> {
    let window = (7..100_u32, of(100..300_i64), of(3..8_u32))
        .prop_map(|(seconds, amount_max, count_max)| LimitWindow { seconds, amount_max, count_max });
    let new =
        (1..100_u32, 20..200_i64).prop_map(|(seconds, amount_max)| NewRecipient { seconds, amount_max });
    let verbs = proptest::sample::subsequence(
        vec![LimitedVerb::Spend, LimitedVerb::Transfer, LimitedVerb::Convert],
        0..3,
    );
    let word = prop_oneof![Just("a"), Just("b")];
    let asset = prop_oneof![3 => Just(Some(Asset::TOKEN)), 1 => Just(None)];
    let (most, window, new) = (of(50..200_i64), of(window), of(new));
    (word, asset, verbs, any::<bool>(), most, window, new)
        .prop_map(|(name, asset, verbs, tippers, operation_max, window, new_recipient)| LimitRule {
            name: name.to_owned(),
            asset,
            verbs,
            role: tippers.then(|| "tipper".to_owned()),
            operation_max,
            window,
            new_recipient,
        })
        .boxed()
}

fn meter_name() -> BoxedStrategy<String> {
    prop_oneof![12 => Just("calls".to_owned()), 1 => Just("minutes".to_owned())].boxed()
}

fn meter() -> BoxedStrategy<Verb> {
    let period = prop_oneof![Just(Period::Ever), Just(Period::Day)];
    let quota = of(50..500_i64);
    (meter_name(), 0..20_i64, 1..40_i64, 0..5_i64, 0..5_i64, period, quota)
        .prop_map(|(name, per, up_to, first, then, period, quota)| {
            let tiers = vec![Tier { up_to: Some(up_to), price: first }, Tier { up_to: None, price: then }];
            Verb::PutMeter(Box::new(Meter { name, asset: Asset::TOKEN, per, tiers, period, quota }))
        })
        .boxed()
}

/// The id of the operation with this number; every other one says its time.
pub fn operation(number: u64) -> OperationId {
    if number.is_multiple_of(2) {
        return OperationId::derived(&["law", &number.to_string()]);
    }
    let time = NOON_MS.cast_unsigned() + number;
    OperationId::from_uuid(uuid::Uuid::from_u64_pair(time << 16 | 0x7000, 2 << 62 | number))
}
