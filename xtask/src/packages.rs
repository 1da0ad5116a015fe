//! Debian packages that the private servers need.
//!
//! As root, what is missing is installed, and nothing else happens to the machine: no cluster is
//! made, no daemon is started now or at the next boot. As an ordinary user the exact command is
//! printed instead, and the exit code is 2.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::{Context, Result};

use crate::console;
use crate::place::Place;
use crate::shell;

/// Packages that an ordinary user has to have installed.
#[derive(Debug)]
pub struct Missing(Vec<&'static str>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Something is missing on this machine. Install it as root, then try again:\n\n    \
             apt-get install --no-install-recommends {}\n",
            self.0.join(" ")
        )
    }
}

impl std::error::Error for Missing {}

/// Makes sure that PostgreSQL and NATS are installed.
pub fn ensure_servers(place: &Place) -> Result<()> {
    let missing = missing_servers()?;
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root()? || !shell::is_on_path("apt-get") {
        return Err(Missing(missing).into());
    }
    console::timed(&format!("Installing {}", missing.join(" ")), || install(place, &missing))?;
    match missing_servers()? {
        still if still.is_empty() => Ok(()),
        still => Err(Missing(still).into()),
    }
}

/// Makes sure that Python can make environments of its own.
pub fn ensure_python(place: &Place) -> Result<()> {
    let is_there = || {
        let mut python = Command::new("python3");
        shell::output("python3", python.args(["-c", "import ensurepip, venv"])).is_ok()
    };
    if is_there() {
        return Ok(());
    }
    let missing = vec!["python3-venv"];
    if !is_root()? || !shell::is_on_path("apt-get") {
        return Err(Missing(missing).into());
    }
    console::timed("Installing python3-venv", || install(place, &missing))?;
    if is_there() { Ok(()) } else { Err(Missing(missing).into()) }
}

fn missing_servers() -> Result<Vec<&'static str>> {
    let package = |error: servers::ServerError| match error {
        servers::ServerError::NotInstalled { package, .. } => Ok(package),
        other => Err(other),
    };
    let postgres = servers::postgres_installations().err().map(package).transpose()?;
    let nats = servers::nats_binary().err().map(package).transpose()?;
    Ok(postgres.into_iter().chain(nats).collect())
}

fn is_root() -> Result<bool> {
    Ok(std::fs::metadata("/proc/self").context("cannot read /proc")?.uid() == 0)
}

fn install(place: &Place, packages: &[&'static str]) -> Result<()> {
    let mut command = Command::new("sh");
    command.arg(place.root.join("scripts/install-servers.sh")).args(packages);
    shell::run("The installation", &mut command)
}
