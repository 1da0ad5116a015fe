//! `sim`: the seeded simulation of the ledger, optimised. `SEED=n` runs one seed and prints its story,
//! `RUNS=n` so many, `FROM=n` begins with another; without any it runs twenty thousand.

use anyhow::Result;

use crate::console;
use crate::place::Place;
use crate::shell;

/// Runs the verb.
pub fn run(place: &Place) -> Result<()> {
    console::timed("Building the simulation with optimisation", || {
        let mut command = shell::cargo(place);
        command.args(["build", "--release", "--package", "wallet", "--features", "sim"]);
        shell::run("The build", command.args(["--bin", "ledger-sim"]))
    })?;
    let program = place.target_folder()?.join("release").join("ledger-sim");
    shell::run("The simulation", std::process::Command::new(program).current_dir(&place.root))
}
