//! The laws of the ledger, under random commands in random batches: nothing is lost or invented,
//! customers never owe, an operation happens once, replay equals live, a snapshot loses nothing.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use ids::{AccountId, OperationId};
use proptest::prelude::*;
use wallet_domain::samples::{NOON_MS, a_customer, a_request, an_account_in_euro, an_issuance, user};
use wallet_domain::{
    AccountKind, AccountTerms, Asset, Batch, Leg, OpenAccount, PartitionState, Post, Rejection, Writer,
    decode_snapshot, encode_snapshot,
};

#[derive(Debug, Clone)]
enum Step {
    Open(usize),
    Post { id: u8, legs: Vec<(usize, usize, i64)> },
    Cut,
}

fn chart() -> Vec<AccountTerms> {
    let customers = (1..5).map(a_customer);
    let euro_issuance =
        AccountTerms::system(a_request().tenant, AccountKind::Issuance, "EUR".parse::<Asset>().unwrap());
    customers.chain([an_issuance(), euro_issuance, an_account_in_euro(1)]).collect()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leg = (0..7_usize, 0..7_usize, -1..200_i64);
    let step = prop_oneof![
        2 => (0..7_usize).prop_map(Step::Open),
        8 => (any::<u8>(), proptest::collection::vec(leg, 1..4)).prop_map(|(id, legs)| Step::Post { id, legs }),
        2 => Just(Step::Cut),
    ];
    proptest::collection::vec(step, 1..120)
}

fn post(id: u8, legs: &[(usize, usize, i64)]) -> Post {
    let chart = chart();
    let leg = |(debit, credit, amount): &(usize, usize, i64)| Leg {
        debit: chart[*debit].account,
        credit: chart[*credit].account,
        amount: *amount,
    };
    Post {
        operation: OperationId::derived(&[&id.to_string()]),
        legs: legs.iter().map(leg).collect(),
        reason: "law".into(),
        reference: String::new(),
    }
}

/// Runs the steps; answers the writer, the batches, and the operations acknowledged as new.
fn run(steps: &[Step]) -> (Writer, Vec<(u64, Batch)>, Vec<Post>) {
    let mut writer = Writer::new(PartitionState::default(), 64);
    let (mut batches, mut acknowledged) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Open(index) => {
                let terms = chart()[*index];
                writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).unwrap();
            }
            Step::Post { id, legs } => {
                let post = post(*id, legs);
                match writer.post(&a_request(), &post, NOON_MS) {
                    Ok(answer) if !answer.repeated => acknowledged.push(post),
                    Ok(_) => {}
                    Err(refused) => assert!(refused.rejection().is_some(), "{refused}"),
                }
            }
            Step::Cut => batches.extend(writer.cut()),
        }
    }
    batches.extend(writer.cut());
    (writer, batches, acknowledged)
}

fn balances(state: &PartitionState) -> HashMap<AccountId, i64> {
    state.accounts().map(|view| (view.terms.account, view.balance)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_is_lost_or_invented_and_customers_never_owe(steps in steps()) {
        let (writer, ..) = run(&steps);
        let mut sums = HashMap::<Asset, i128>::new();
        for view in writer.state().accounts() {
            *sums.entry(view.terms.asset).or_default() += i128::from(view.balance);
            prop_assert!(view.terms.kind != AccountKind::Customer || view.balance >= 0, "{view:?}");
        }
        prop_assert!(sums.values().all(|sum| *sum == 0), "{sums:?}");
    }

    #[test]
    fn balances_are_exactly_the_acknowledged_operations(steps in steps()) {
        let (writer, _, acknowledged) = run(&steps);
        let mut audited: HashMap<_, _> = balances(writer.state()).into_keys().map(|account| (account, 0)).collect();
        for leg in acknowledged.iter().flat_map(|post| &post.legs) {
            *audited.get_mut(&leg.debit).unwrap() -= leg.amount;
            *audited.get_mut(&leg.credit).unwrap() += leg.amount;
        }
        prop_assert_eq!(audited, balances(writer.state()));
    }

    #[test]
    fn an_operation_happens_once(steps in steps()) {
        let (mut writer, _, acknowledged) = run(&steps);
        let before = balances(writer.state());
        for post in &acknowledged {
            prop_assert!(writer.post(&a_request(), post, NOON_MS).unwrap().repeated);
            let mut other = post.clone();
            other.reference.push('x');
            let refused = writer.post(&a_request(), &other, NOON_MS).unwrap_err();
            let reused = Rejection::OperationIdReused { operation: post.operation };
            prop_assert_eq!(refused.rejection(), Some(&reused));
        }
        prop_assert_eq!(before, balances(writer.state()));
        prop_assert!(writer.cut().is_none(), "repetitions leave no facts");
    }

    #[test]
    fn replay_equals_live_and_snapshots_lose_nothing(steps in steps(), cut in 0..40_usize) {
        let (writer, batches, acknowledged) = run(&steps);
        let mut state = PartitionState::default();
        for (index, (sequence, batch)) in batches.iter().enumerate() {
            if index == cut {
                state = decode_snapshot(&encode_snapshot(&state)).unwrap();
            }
            let stored = Batch::from_payload(&batch.to_payload()).unwrap();
            state.apply(*sequence, &stored).unwrap();
        }
        prop_assert!(state.accounts().eq(writer.state().accounts()));
        prop_assert_eq!(encode_snapshot(&state), encode_snapshot(writer.state()));
        let mut replayed = Writer::new(state, 64);
        for post in &acknowledged {
            prop_assert!(replayed.post(&a_request(), post, NOON_MS).unwrap().repeated);
        }
    }

    #[test]
    fn an_altered_batch_does_not_apply(steps in steps(), place in any::<prop::sample::Index>(), by in 1..9_i64) {
        let (_, batches, _) = run(&steps);
        let mut state = PartitionState::default();
        let mut altered = batches;
        let count: usize = altered.iter().map(|(_, batch)| batch.postings.len()).sum();
        prop_assume!(count > 0);
        let mut at = place.index(count);
        for (_, batch) in &mut altered {
            if let Some(posting) = batch.postings.get_mut(at) {
                posting.amount += by;
                break;
            }
            at -= batch.postings.len();
        }
        let outcome: Result<Vec<()>, _> =
            altered.iter().map(|(sequence, batch)| state.apply(*sequence, batch)).collect();
        prop_assert!(outcome.is_err());
    }
}

#[test]
fn a_clone_is_a_snapshot_of_its_moment() {
    let mut writer = Writer::new(PartitionState::default(), 64);
    for terms in [an_issuance(), a_customer(1)] {
        writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).unwrap();
    }
    let kept = writer.state().clone();
    writer.post(&a_request(), &post(1, &[(4, 0, 10)]), NOON_MS).unwrap();
    let held = |state: &PartitionState| {
        state.accounts_of(a_request().tenant, user(1)).map(|view| view.balance).sum::<i64>()
    };
    assert_eq!((held(&kept), held(writer.state())), (0, 10));
}
