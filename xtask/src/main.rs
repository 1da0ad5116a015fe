//! The developer commands behind `make`: `cargo xtask <verb>`.
//!
//! Logic that would otherwise hide in shell scripts lives here, where it has names, tests and
//! sentences for its failures. Few dependencies, since a newcomer's first `make up` waits for this
//! crate to be built. Exit codes: 0 done, 1 failed, 2 something must be installed first.
//!
//! When you add a verb, also: `VERBS` below, the Makefile if people should type it, CONTRIBUTING.md.

mod api;
mod bench;
mod check;
mod console;
mod database;
mod deny;
mod down;
mod fuzz;
mod layers;
mod packages;
mod place;
mod problems;
mod protos;
mod secrets;
mod settings;
mod shell;
mod sim;
mod suite;
mod tidy;
mod up;
mod vbwd;

use std::process::ExitCode;

use anyhow::Result;

use crate::packages::Missing;
use crate::place::Place;

type Verb = (&'static str, &'static str, fn(&Place) -> Result<()>);

const VERBS: &[Verb] = &[
    ("up", "install what is missing, build, start everything, seed the demo tenant", up::run),
    ("down", "stop what `up` started", down::run),
    ("reset", "stop it and forget all data", down::reset),
    ("logs", "follow the log of the running fleet", down::logs),
    ("test", "quick checks and the whole test suite", suite::run),
    ("check", "every check: quick ones, clippy, dependencies", check::run),
    ("fmt", "format the code", check::format),
    ("layers", "who may depend on whom", layers::run),
    ("tidy", "sizes, head comments, banned words, dead links", tidy::run),
    ("proto-lint", "lint the protos and compare them with the baseline", protos::run),
    ("api-diff", "compare the API documents with the last release", api::run),
    ("proto-bless", "make the protos of today the new baseline", protos::bless),
    ("problems", "list the codes that the last test run found missing in proto/problems.txt", problems::run),
    ("sim", "simulate the ledger under faults: SEED=n one seed with its story, RUNS=n many", sim::run),
    ("bench", "build with optimisation and print the figures", bench::run),
    ("bench-ledger", "the same for the ledger by itself", bench::ledger),
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let Some((_, _, verb)) = VERBS.iter().find(|(name, _, _)| *name == wanted) else {
        return usage(&wanted);
    };
    let Err(error) = Place::find().and_then(|place| verb(&place)) else { return ExitCode::SUCCESS };
    console::failure(&format!("{error:#}"));
    ExitCode::from(if error.is::<Missing>() { 2 } else { 1 })
}

fn usage(wanted: &str) -> ExitCode {
    if !wanted.is_empty() {
        console::failure(&format!("There is no command {wanted}."));
    }
    eprintln!("Usage: cargo xtask <command>\n");
    for (name, purpose, _) in VERBS {
        eprintln!("  {name:<12} {purpose}");
    }
    ExitCode::from(2)
}
