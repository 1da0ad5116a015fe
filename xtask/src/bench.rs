//! `bench` and `bench-ledger`: the figures of the whole product and of the ledger by itself, measured
//! on an optimised build.
//!
//! The load generator (`tests/load`) starts its own private servers and its own `vbwd`, prints the
//! figures and writes them to `bench-results/latest.jsonl` and `bench-results/ledger.jsonl`.

use anyhow::Result;

use crate::console;
use crate::packages;
use crate::place::Place;
use crate::shell;

/// Runs the verb `bench`.
pub fn run(place: &Place) -> Result<()> {
    measure(place, &[])?;
    webhooks(place)
}

/// Deliveries of webhooks per second, which the outside cannot see: notify's own bench.
fn webhooks(place: &Place) -> Result<()> {
    let mut command = shell::cargo(place);
    command.env("VBWD_TEST_NATS_BIN", servers::nats_binary()?);
    shell::run(
        "The bench of notify",
        command.args(["bench", "--quiet", "--package", "notify", "--bench", "webhooks"]),
    )
}

/// Runs the verb `bench-ledger`.
pub fn ledger(place: &Place) -> Result<()> {
    measure(place, &["ledger"])
}

fn measure(place: &Place, first: &[&str]) -> Result<()> {
    packages::ensure_servers(place)?;
    console::timed("Building with optimisation (the first time takes many minutes)", || {
        let mut command = shell::cargo(place);
        shell::run(
            "The build",
            command.args(["build", "--release", "--package", "fleet", "--package", "load"]),
        )
    })?;
    let folder = place.target_folder()?.join("release");
    let mut load = std::process::Command::new(folder.join("load"));
    load.current_dir(&place.root).env("VBWD_TEST_BINARY", folder.join("vbwd"));
    load.env("VBWD_TEST_NATS_BIN", servers::nats_binary()?).args(first).args(std::env::args().skip(2));
    shell::run("The bench", &mut load)
}
