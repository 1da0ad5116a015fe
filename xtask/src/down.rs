//! `down`, `reset` and `logs`. Only processes that are provably ours are stopped.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};
use servers::{Nats, Postgres};

use crate::console;
use crate::place::Place;
use crate::vbwd;

/// Stops the fleet, then the broker, then the database.
pub fn run(place: &Place) -> Result<()> {
    let _lock = place.lock()?;
    if !stop_all(place)? {
        console::step("Nothing was running");
    }
    Ok(())
}

/// Stops everything and deletes all data.
pub fn reset(place: &Place) -> Result<()> {
    let lock = place.lock()?;
    stop_all(place)?;
    place.forget()?;
    drop(lock);
    console::step("All data of this checkout's fleet are deleted");
    Ok(())
}

/// Follows the log until interrupted.
pub fn logs(place: &Place) -> Result<()> {
    let log = place.run_file("vbwd.log");
    if !log.exists() {
        bail!("There is no log yet; make up starts the fleet.");
    }
    // `exec` comes back only when it failed.
    Err(Command::new("tail").args(["-n", "200", "-F"]).arg(&log).exec()).context("cannot run tail")
}

fn stop_all(place: &Place) -> Result<bool> {
    let mut stopped = false;
    if let Some(mut process) = vbwd::find_running(place) {
        console::step("Draining vbwd");
        if !vbwd::drain(&mut process) {
            console::note("it did not end in time and was killed");
        }
        stopped = true;
    }
    let _was_stale_if_there = std::fs::remove_file(place.run_file("vbwd.pid"));
    if let Some(mut found) = Nats::find_running(&place.run_file("nats")) {
        console::step("Stopping NATS");
        Nats::stop_found(&mut found.process)?;
        stopped = true;
    }
    if let Some(mut found) = Postgres::find_running(&place.postgres_folder()?) {
        console::step("Stopping PostgreSQL");
        Postgres::stop_found(&mut found.process)?;
        stopped = true;
    }
    Ok(stopped)
}
