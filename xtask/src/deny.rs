//! Licences, bans and sources of the dependencies, by cargo-deny with the rules of `deny.toml`.
//!
//! The tool is pinned and installed on the first run. Advisories need a database from a git host,
//! which CI cannot reach; CONTRIBUTING.md says how to check them by hand.

use std::process::Command;

use anyhow::Result;

use crate::console;
use crate::place::Place;
use crate::shell;

const VERSION: &str = "0.20.2";

/// Runs the check.
pub fn run(place: &Place) -> Result<()> {
    if !is_installed(place) {
        console::note(&format!("installing cargo-deny {VERSION} once; this takes some minutes"));
        shell::run("Installing cargo-deny", &mut gentle_install(place))?;
    }
    let mut command = shell::cargo(place);
    command.args(["deny", "--log-level", "error", "check", "licenses", "bans", "sources"]);
    shell::run("cargo deny", &mut command)
}

fn is_installed(place: &Place) -> bool {
    let mut command = shell::cargo(place);
    let answer = shell::output("cargo deny", command.args(["deny", "--version"]));
    answer.is_ok_and(|version| version.trim().ends_with(VERSION))
}

/// At low priority: a developer's machine has other work to do.
fn gentle_install(place: &Place) -> Command {
    let cargo = shell::cargo(place);
    let mut command = Command::new("nice");
    command.arg("-n").arg("10").arg(cargo.get_program());
    command.args(["install", "cargo-deny", "--locked", "--force", "--version", VERSION]);
    command.current_dir("/");
    command
}
