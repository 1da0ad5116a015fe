//! `test`: the quick checks, then the whole suite against one private PostgreSQL.
//!
//! Everything is built in one cargo call with the tests' own features, so that no crate is built
//! twice and the `vbwd` binary that process tests start is the one just built. Rules come first
//! (unit tests take seconds), then tests with servers, then the examples in the documentation. All
//! of them run even when an earlier group fails: one run shows everything.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};
use servers::Postgres;

use crate::check;
use crate::console;
use crate::fuzz;
use crate::packages;
use crate::place::Place;
use crate::problems;
use crate::settings;
use crate::shell;

/// Name, and what cargo runs for it.
const GROUPS: &[(&str, &[&str])] = &[
    ("Rules: unit tests", &["--lib", "--bins"]),
    ("Flows: tests with servers", &["--test", "*"]),
    ("Examples in the documentation", &["--doc"]),
];

/// Runs the verb.
pub fn run(place: &Place) -> Result<()> {
    check::quick(place)?;
    packages::ensure_servers(place)?;
    let fuzzer = fuzz::ensure(place)?.display().to_string();
    console::timed("Building everything", || build(place))?;
    let postgres = console::timed("Starting a private PostgreSQL", || Ok(Postgres::ephemeral()?))?;
    let nats = servers::nats_binary()?.display().to_string();
    let vbwd = place.target_folder()?.join("debug").join("vbwd").display().to_string();
    problems::forget(place)?;
    let undeclared = problems::file(place)?.display().to_string();
    let environment = settings::of_tests(&postgres.url(), &nats, &vbwd, &fuzzer, &undeclared);
    let mut failed = Vec::new();
    for (name, selection) in GROUPS {
        console::step(name);
        let start = Instant::now();
        let mut command = cargo_test(place, selection);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        if shell::run(name, &mut command).is_err() {
            failed.push(*name);
        }
        console::note(&format!("took {}", console::seconds(start.elapsed())));
    }
    drop(postgres);
    console::step("Answers that the contracts do not speak of");
    if let Err(error) = problems::compare(place) {
        console::failure(&format!("{error:#}"));
        failed.push("Answers that the contracts do not speak of");
    }
    if !failed.is_empty() {
        bail!("Failed: {}.", failed.join("; "));
    }
    console::step("All tests passed");
    Ok(())
}

fn build(place: &Place) -> Result<()> {
    let mut command = shell::cargo(place);
    shell::run("The build", command.args(["build", "--workspace", "--lib", "--bins", "--tests"]))
}

fn cargo_test(place: &Place, selection: &[&str]) -> Command {
    let mut command = shell::cargo(place);
    command.args(["test", "--workspace", "--no-fail-fast", "--quiet"]).args(selection);
    command
}
