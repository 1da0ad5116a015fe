//! Some seeds with every test run; `make sim` runs as many as there is time for.

use super::{Report, simulate};

const SEEDS: std::ops::Range<u64> = 0..400;

#[test]
fn no_answer_is_lost_doubled_or_stale_whatever_goes_wrong() {
    let mut all = Report::default();
    for seed in SEEDS {
        match simulate(seed, false) {
            Ok(report) => all.add(&report),
            Err(wrong) => panic!("seed {seed}: {wrong}\nreproduce it with: make sim SEED={seed}"),
        }
    }
    println!("seeds {SEEDS:?}:\n{all}");
    assert!(all.counts().iter().all(|(_, count)| *count > 0), "some things never happened:\n{all}");
    assert_eq!(all.done().len(), 14, "some verbs were never done:\n{all}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        assert_eq!(simulate(seed, false).unwrap().counts(), simulate(seed, false).unwrap().counts());
    }
}
