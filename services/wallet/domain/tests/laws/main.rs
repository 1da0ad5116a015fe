//! The laws of the ledger, under random commands of every verb in random batches, with clocks that
//! advance and step back: nothing is lost or invented, customers never owe more than agreed, an
//! operation happens once, an independent auditor comes to the same figures, replay equals live, and
//! a writer that goes on from a snapshot writes the same history.
#![allow(clippy::unwrap_used)]

mod model;
mod workload;
mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use wallet_domain::effect::Change;
use wallet_domain::{Batch, PartitionState};
use world::run;

/// `PROPTEST_CASES` sets another number.
fn cases(number: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { number };
    ProptestConfig { cases, failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn every_law_holds_after_every_step(steps in workload::steps(1..120)) {
        let mut world = run(&steps);
        let acknowledged = std::mem::take(&mut world.acknowledged);
        for (request, command) in &acknowledged {
            let answer = world.writer.execute(request, command, 0).unwrap();
            prop_assert!(answer.repeated, "{command:?}");
        }
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn an_altered_batch_does_not_apply(
        steps in workload::steps(20..100),
        place in any::<prop::sample::Index>(),
        by in prop_oneof![-9..0_i64, 1..9_i64],
    ) {
        let mut batches = run(&steps).batches;
        let mut all: Vec<_> = batches.iter_mut().flat_map(|(_, batch)| figures(batch)).collect();
        prop_assume!(!all.is_empty());
        let place = place.index(all.len());
        *all[place] = all[place].wrapping_add(by);
        let mut state = PartitionState::default();
        let applied: Result<Vec<()>, _> =
            batches.iter().map(|(sequence, batch)| state.apply(*sequence, batch)).collect();
        prop_assert!(applied.is_err(), "figure {place}");
    }
}

/// Every figure that the state can check when it takes a batch.
fn figures(batch: &mut Batch) -> Vec<&mut i64> {
    let posted = batch
        .postings
        .iter_mut()
        .flat_map(|posting| [&mut posting.amount, &mut posting.debit_after, &mut posting.credit_after]);
    let effects = batch.effects.iter_mut().flat_map(|effect| match effect.change.as_mut().unwrap() {
        Change::LotMoved(moved) => vec![&mut moved.left, &mut moved.free, &mut moved.held],
        Change::LotJoined(joined) => vec![&mut joined.amount, &mut joined.free, &mut joined.held],
        Change::HoldPlaced(placed) => vec![&mut placed.amount, &mut placed.held_after],
        Change::HoldReduced(reduced) => {
            vec![&mut reduced.captured, &mut reduced.released, &mut reduced.left, &mut reduced.held_after]
        }
        Change::Used(used) => vec![&mut used.quantity, &mut used.used_after],
        _ => Vec::new(),
    });
    posted.chain(effects).collect()
}

/// Laws that hold because nothing ever happens prove nothing.
#[test]
fn the_random_work_does_every_verb_and_meets_most_refusals() {
    let (mut done, mut refused) = (BTreeMap::new(), BTreeMap::new());
    let mut runner = TestRunner::deterministic();
    for _ in 0..40 {
        let steps = workload::steps(100..200).new_tree(&mut runner).unwrap().current();
        let world = run(&steps);
        world.done.iter().for_each(|(verb, count)| *done.entry(*verb).or_insert(0) += count);
        world.refused.iter().for_each(|(code, count)| *refused.entry(*code).or_insert(0) += count);
    }
    println!("done: {done:?}\nrefused: {refused:?}");
    assert_eq!(done.len(), 15, "{done:?}");
    assert!(done.values().all(|count| *count >= 5), "{done:?}");
    assert!(refused.len() >= 28, "{refused:?}");
}
