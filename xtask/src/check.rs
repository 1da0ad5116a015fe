//! `check`: everything that can be said about the code without running it. `fmt` formats.
//!
//! The quick part is also the beginning of `test`, and therefore of CI; clippy and the dependency
//! check take minutes on a cold machine and stay here.

use anyhow::Result;

use crate::api;
use crate::console;
use crate::deny;
use crate::layers;
use crate::place::Place;
use crate::protos;
use crate::shell;
use crate::tidy;

/// Runs the verb.
pub fn run(place: &Place) -> Result<()> {
    quick(place)?;
    console::timed("Clippy", || clippy(place))?;
    console::timed("Dependencies: licences, bans, sources", || deny::run(place))?;
    console::step("All checks passed");
    Ok(())
}

/// The checks that take seconds.
pub fn quick(place: &Place) -> Result<()> {
    console::timed("Format", || formatted(place))?;
    console::timed("Layers", || layers::run(place))?;
    console::timed("Tidy", || tidy::run(place))?;
    console::timed("Protos", || protos::run(place))?;
    console::timed("API documents: breaking changes", || api::run(place))
}

/// Formats the code.
pub fn format(place: &Place) -> Result<()> {
    shell::run("cargo fmt", shell::cargo(place).args(["fmt", "--all"]))
}

fn formatted(place: &Place) -> Result<()> {
    shell::run(
        "The format check (make fmt repairs it)",
        shell::cargo(place).args(["fmt", "--all", "--check"]),
    )
}

fn clippy(place: &Place) -> Result<()> {
    let mut command = shell::cargo(place);
    command.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
    shell::run("Clippy", &mut command)
}
