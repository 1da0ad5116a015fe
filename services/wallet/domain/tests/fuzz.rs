//! Hostile bytes and hostile commands: an error, never a panic, and nothing applied in part that
//! anybody would go on with.
#![allow(clippy::unwrap_used)]

mod history;

use std::sync::LazyLock;

use ids::{AccountId, OperationId};
use proptest::prelude::*;
use wallet_domain::samples::{NOON_MS, a_request, an_operation};
use wallet_domain::*;

/// `PROPTEST_CASES` sets another number.
fn config(number: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { number };
    ProptestConfig { cases, failure_persistence: None, ..config }
}

static HISTORY: LazyLock<Batch> = LazyLock::new(history::a_batch_of_everything);
static EVERYTHING: LazyLock<PartitionState> = LazyLock::new(|| {
    let mut state = PartitionState::default();
    state.apply(1, &HISTORY).unwrap();
    state
});

fn everything() -> PartitionState {
    EVERYTHING.clone()
}

/// Bytes with some of them changed, and perhaps cut short.
fn damaged(
    mut bytes: Vec<u8>,
    changes: &[(prop::sample::Index, u8)],
    cut: Option<prop::sample::Index>,
) -> Vec<u8> {
    for (place, value) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *value;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn any_bytes_are_a_batch_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(batch) = Batch::from_payload(&bytes) {
            let _ = everything().apply(2, &batch);
            entries(&batch).for_each(drop);
        }
    }

    #[test]
    fn a_damaged_batch_is_an_error_or_applies(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let bytes = damaged(HISTORY.to_payload(), &changes, cut);
        if let Ok(batch) = Batch::from_payload(&bytes) {
            let mut state = PartitionState::default();
            if state.apply(1, &batch).is_ok() {
                prop_assert!(state.sums().values().all(|sum| *sum == 0), "units were invented");
                state.accounts().for_each(drop);
                let _ = decode_snapshot(encode_snapshot(&state).as_slice());
                let mut writer = Writer::new(state, 0);
                let _ = writer.expire_due(&a_request(), 10, NOON_MS);
            }
            for recorded in batch.recorded() {
                let _ = original(recorded, batch.time_of(recorded.operation));
                let _ = outcome(recorded.postings, recorded.effects);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_snapshot_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_snapshot(bytes.as_slice());
    }

    #[test]
    fn a_damaged_snapshot_is_an_error_or_can_be_gone_on_with(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        if let Ok(state) = decode_snapshot(damaged(encode_snapshot(&EVERYTHING), &changes, cut).as_slice()) {
            state.accounts().for_each(|view| state.lots_of(view.number).for_each(drop));
            let mut writer = Writer::new(state, 0);
            let _ = writer.expire_due(&a_request(), 10, NOON_MS);
            let _ = writer.execute(&a_request(), &samples::a_post(99, samples::issuance(), samples::customer(1), 5), NOON_MS);
            let _ = writer.execute(&a_request(), &samples::a_post(98, samples::customer(1), samples::customer(2), 5), NOON_MS);
        }
    }
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        Just(i64::MAX - 1),
        Just(-1),
        Just(0),
        1..200_i64,
        any::<i64>(),
        Just(NOON_MS + 1)
    ]
}

fn some() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(number())
}

fn account() -> impl Strategy<Value = AccountId> {
    (0..10_usize).prop_map(|index| {
        EVERYTHING
            .account_numbered(u32::try_from(index).unwrap())
            .map_or(AccountId::derived(&["?"]), |view| view.terms.account)
    })
}

fn leg() -> BoxedStrategy<Leg> {
    (account(), account(), number()).prop_map(|(debit, credit, amount)| Leg { debit, credit, amount }).boxed()
}

fn hold() -> BoxedStrategy<OperationId> {
    (0..30_u32).prop_map(an_operation).boxed()
}

fn word() -> BoxedStrategy<String> {
    prop_oneof![Just("calls".to_owned()), ".{0,50}"].boxed()
}

fn reverse() -> BoxedStrategy<Verb> {
    let taken = (number(), number()).prop_map(|(amount, series)| TakenLot {
        terms: LotTerms { series: series.cast_unsigned(), ..LotTerms::lasting("x") },
        amount,
    });
    let given = (0..30_u32, number())
        .prop_map(|(opener, amount)| GivenLot { lot: an_operation(opener).as_uuid().as_u64_pair(), amount });
    let lots = (proptest::collection::vec(taken, 0..3), proptest::collection::vec(given, 0..3));
    let leg = (0..12_u32, 0..12_u32, number(), lots).prop_map(|(debit, credit, amount, (taken, given))| {
        OriginalLeg { debit, credit, amount, taken, given }
    });
    let part = (any::<u32>(), number()).prop_map(|(leg, amount)| Part { leg: leg % 4, amount });
    let parts = proptest::collection::vec(part, 0..4);
    (hold(), any::<bool>(), number(), proptest::collection::vec(leg, 0..4), parts)
        .prop_map(|(operation, divisible, at_ms, legs, parts)| {
            let original = Original { operation, reversible: true, divisible, at_ms, legs };
            Verb::Reverse(Box::new(Reverse { original, parts: parts.into() }))
        })
        .boxed()
}

fn setting() -> BoxedStrategy<Verb> {
    let change = prop_oneof![
        number().prop_map(AccountChange::Overdraft),
        (some(), some(), number()).prop_map(|(low_below, top_up_below, top_up_amount)| {
            AccountChange::Alerts(Alerts { low_below, top_up_below, top_up_amount })
        }),
        Just(AccountChange::Close),
    ];
    let tier = (some(), number()).prop_map(|(up_to, price)| Tier { up_to, price });
    let meter = (word(), number(), proptest::collection::vec(tier, 0..18), some()).prop_map(
        |(name, per, tiers, quota)| {
            Verb::PutMeter(Box::new(Meter {
                name,
                asset: Asset::TOKEN,
                per,
                tiers,
                period: Period::Year,
                quota,
            }))
        },
    );
    let rule = (word(), some(), any::<u32>(), some(), proptest::option::of(any::<u32>())).prop_map(
        |(name, operation_max, seconds, amount_max, count_max)| LimitRule {
            name,
            asset: Some(Asset::TOKEN),
            verbs: Vec::new(),
            role: None,
            operation_max,
            window: Some(LimitWindow { seconds, amount_max, count_max }),
            new_recipient: amount_max.map(|amount_max| NewRecipient { seconds, amount_max }),
        },
    );
    prop_oneof![
        (account(), change)
            .prop_map(|(account, change)| Verb::ChangeAccount(ChangeAccount { account, change })),
        meter,
        proptest::collection::vec(rule, 0..3).prop_map(Verb::SetLimits),
    ]
    .boxed()
}

fn verb() -> BoxedStrategy<Verb> {
    let grant = (leg(), word(), any::<u8>(), some(), number()).prop_map(
        |(leg, source, priority, expires_at_ms, most)| {
            let terms = LotTerms { source: source.into(), priority, expires_at_ms, series: 1 };
            Verb::Grant(Box::new(Grant { leg, terms, roll_over: RollOver::Capped(most) }))
        },
    );
    let convert = (account(), account(), number(), number(), number()).prop_map(
        |(from, to, amount, rate_numerator, rate_denominator)| {
            Verb::Convert(Convert { from, to, amount, rate_numerator, rate_denominator })
        },
    );
    let record = (word(), account(), account(), number()).prop_map(|(meter, account, credit, quantity)| {
        Verb::RecordUsage(RecordUsage { meter, account, credit, quantity })
    });
    let reserve = (word(), account(), account(), number(), some()).prop_map(
        |(meter, account, credit, quantity, expires_at_ms)| {
            Verb::ReserveUsage(ReserveUsage { meter, account, credit, quantity, expires_at_ms })
        },
    );
    let holding = prop_oneof![
        (leg(), some()).prop_map(|(leg, expires_at_ms)| Verb::Hold(Hold { leg, expires_at_ms })),
        (hold(), some(), any::<bool>()).prop_map(|(hold, amount, release_rest)| Verb::Capture(Capture {
            hold,
            amount,
            release_rest
        })),
        (hold(), some()).prop_map(|(hold, amount)| Verb::Release(Release { hold, amount })),
        (hold(), number()).prop_map(|(hold, quantity)| Verb::SettleUsage(SettleUsage { hold, quantity })),
        any::<u32>().prop_map(|number| Verb::Expire(Expire::Lot(number % 4))),
        any::<u32>().prop_map(|number| Verb::Expire(Expire::Hold(number % 4))),
    ]
    .boxed();
    prop_oneof![
        proptest::collection::vec(leg(), 0..34).prop_map(|legs| Verb::Post(legs.into())),
        leg().prop_map(Verb::Transfer),
        grant.boxed(),
        convert.boxed(),
        record.boxed(),
        reserve.boxed(),
        holding,
        reverse(),
        setting(),
    ]
    .boxed()
}

proptest! {
    #![proptest_config(config(200))]

    /// Whatever is asked for is done or refused: the writer is never broken, not even by figures at
    /// the ends of their range and times before the beginning.
    #[test]
    fn hostile_commands_never_break_the_writer(
        commands in proptest::collection::vec((verb(), number(), ".{0,60}"), 1..25),
    ) {
        let mut writer = Writer::new(everything(), 0);
        for (index, (verb, at_ms, reference)) in (1_000..).zip(commands) {
            let command = Command::new(an_operation(index), verb, "hostile", reference);
            let request = Request { at_ms, ..a_request() };
            if let Err(refused) = writer.execute(&request, &command, at_ms) {
                prop_assert!(refused.rejection().is_some(), "{refused} by {command:?}");
            }
            prop_assert!(writer.expire_due(&request, 3, at_ms).is_ok());
            prop_assert!(writer.state().sums().values().all(|sum| *sum == 0));
        }
        let (sequence, batch) = writer.cut().unwrap_or((2, Batch { format: FORMAT, ..Batch::default() }));
        let mut replayed = everything();
        prop_assert_eq!(replayed.apply(sequence, &Batch::from_payload(&batch.to_payload()).unwrap()), Ok(()));
    }
}
