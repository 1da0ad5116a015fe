//! `vbwd ledger …`: operating the ledger from outside, through its database.

mod export;
mod partitions;
mod target;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;

/// Something is wrong with the ledger.
const WRONG: u8 = 1;
/// The ledger could not be looked at.
pub const NOT_LOOKED_AT: u8 = 2;

/// What can be done to the ledger.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Says who serves which partition, and moves partitions between processes.
    Partitions(partitions::Arguments),
    /// Checks the journal, its chain, and every table that follows from it.
    Verify(verify::Arguments),
    /// Writes the journal out, as a file to verify or as lines of JSON.
    Export(export::Arguments),
}

/// Does it.
///
/// # Errors
/// What it was told cannot be done, or the database does not answer.
pub async fn run(config: &Config, command: Command) -> fault::Result<ExitCode> {
    match command {
        Command::Partitions(arguments) => partitions::run(config, arguments).await?,
        Command::Verify(arguments) => return verify::run(config, arguments).await.map(verdict),
        Command::Export(arguments) => export::run(config, arguments).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what needs neither configuration nor database, if this is such a command.
#[must_use]
pub fn offline(command: &Command) -> Option<fault::Result<ExitCode>> {
    match command {
        Command::Verify(arguments) => {
            let path = arguments.file.as_deref()?;
            Some(verify::run_on_file(path, arguments).map(verdict))
        }
        Command::Partitions(_) | Command::Export(_) => None,
    }
}

/// The exit code for a fault of this command.
#[must_use]
pub const fn failure(command: &Command) -> u8 {
    match command {
        Command::Verify(_) => NOT_LOOKED_AT,
        Command::Partitions(_) | Command::Export(_) => WRONG,
    }
}

fn verdict(is_clean: bool) -> ExitCode {
    if is_clean { ExitCode::SUCCESS } else { ExitCode::from(WRONG) }
}
