//! `vbwd ledger …`: operating the ledger from outside, through its database.

mod partitions;

use clap::Subcommand;

use crate::config::Config;

/// What can be done to the ledger.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Says who serves which partition, and moves partitions between processes.
    Partitions(partitions::Arguments),
}

/// Does it.
///
/// # Errors
/// What it was told cannot be done, or the database does not answer.
pub async fn run(config: &Config, command: Command) -> fault::Result<()> {
    match command {
        Command::Partitions(arguments) => partitions::run(config, arguments).await,
    }
}
