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
use world::run;

/// `PROPTEST_CASES` sets another number.
fn cases(number: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { number };
    ProptestConfig { cases, failure_persistence: None, ..config }
}

proptest! {
    #![proptest_config(cases(300))]

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
