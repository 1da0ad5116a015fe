//! The ledger in a world made of chance: the real rounds, writer, settling, leases and recovery of
//! several processes, driven step by step against a journal that loses, delays and repeats, with
//! clients that never give up and an auditor that believes nobody. No threads, no timers: everything
//! follows from one number, so whatever goes wrong goes wrong again.
//!
//! `make sim` runs many seeds, `make sim SEED=7` one with its story; the tests run some.
#![allow(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod auditor;
mod book;
mod client;
mod clock;
mod dice;
mod disk;
mod owner;
mod plan;
mod process;
mod question;
mod report;
mod rules;
mod workload;
mod world;

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use report::Report;

/// What must hold, or what does not.
type Check = Result<(), String>;

/// Runs one seed; `trace` prints its story.
///
/// # Errors
/// What was found to be wrong.
pub fn simulate(seed: u64, trace: bool) -> Result<Report, String> {
    let run = AssertUnwindSafe(|| world::World::new(seed, trace).run());
    catch_unwind(run).unwrap_or_else(|_| Err("it panicked".to_owned()))
}
