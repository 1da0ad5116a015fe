//! `vbwd ledger partitions`: look, move, drain, undrain.

use std::time::Duration;

use clap::{Args, Subcommand};
use fault::Fault;
use serde_json::json;
use wallet::partitions::{Moved, Partition, Partitions};

use crate::config::Config;

/// Looks when nothing else is said.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Moves one partition to a process that is alive, and waits until it is there.
    Move {
        /// The partition's number.
        partition: u16,
        /// Name of the process, as it is shown by `vbwd ledger partitions`.
        #[arg(long)]
        to: String,
        /// After so many seconds the partition stays where it is.
        #[arg(long, default_value_t = 60)]
        timeout_seconds: u64,
    },
    /// Moves all partitions of a process to others and keeps it from taking any until `undrain`.
    Drain {
        /// Name of the process.
        owner: String,
        /// For how many seconds to wait until it has none.
        #[arg(long, default_value_t = 60)]
        timeout_seconds: u64,
    },
    /// Lets a drained process take partitions again.
    Undrain {
        /// Name of the process.
        owner: String,
    },
}

/// Does what the arguments say, and says that it is done.
///
/// # Errors
/// When it cannot be done, or is not done in time.
pub async fn run(config: &Config, arguments: Arguments) -> fault::Result<()> {
    let partitions = Partitions::new(runtime::database::pool(&config.database, wallet::NAME)?);
    let seconds = Duration::from_secs;
    match arguments.command {
        None => look(&partitions, arguments.json).await?,
        Some(Command::Move { partition, to, timeout_seconds }) => {
            match partitions.move_to(partition, &to, seconds(timeout_seconds)).await? {
                Moved::Now => println!("partition {partition} is served by {to} now"),
                Moved::Before => println!("partition {partition} was served by {to} already"),
            }
        }
        Some(Command::Drain { owner, timeout_seconds }) => {
            let given = partitions.drain(&owner, seconds(timeout_seconds)).await?;
            println!("{owner} gave {given} partitions away and takes none until `undrain`");
        }
        Some(Command::Undrain { owner }) => {
            partitions.undrain(&owner).await?;
            println!("{owner} takes partitions again");
        }
    }
    Ok(())
}

async fn look(partitions: &Partitions, as_json: bool) -> fault::Result<()> {
    let (found, replicas) = (partitions.look().await?, partitions.replicas().await?);
    if as_json {
        let owners: Vec<_> = replicas
            .iter()
            .map(|one| json!({"owner": one.owner, "address": one.address, "alive": one.alive, "drained": one.drained}))
            .collect();
        let all = json!({"partitions": found.iter().map(described).collect::<Vec<_>>(), "owners": owners});
        println!("{}", serde_json::to_string_pretty(&all).map_err(Fault::internal)?);
        return Ok(());
    }
    let heads =
        ["partition", "owner", "address", "epoch", "lease", "heir", "last", "projected", "lag", "snapshot"];
    print!("{}", table(&heads, found.iter().map(row)));
    let yes = |holds: bool| if holds { "yes" } else { "no" }.to_owned();
    let rows = replicas
        .iter()
        .map(|one| vec![one.owner.clone(), dash(&one.address), yes(one.alive), yes(one.drained)]);
    print!("\n{}", table(&["owner", "address", "alive", "drained"], rows));
    Ok(())
}

fn described(partition: &Partition) -> serde_json::Value {
    let mut value = json!(partition);
    value["lag"] = json!(partition.lag());
    value
}

fn row(found: &Partition) -> Vec<String> {
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let lease = match found.lease_milliseconds {
        None => "-".to_owned(),
        Some(0) => "expired".to_owned(),
        Some(left) => format!("{}.{} s", left / 1_000, left % 1_000 / 100),
    };
    vec![
        found.partition.to_string(),
        dash(found.owner.as_deref().unwrap_or_default()),
        dash(found.address.as_deref().unwrap_or_default()),
        number(found.epoch),
        lease,
        dash(found.heir.as_deref().unwrap_or_default()),
        number(found.last_sequence),
        found.projected_sequence.to_string(),
        number(found.lag()),
        number(found.snapshot_sequence),
    ]
}

fn dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// Columns as wide as their widest cell.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut lines = vec![heads.iter().map(ToString::to_string).collect::<Vec<_>>()];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["1".to_owned(), "wallet-0".to_owned()], vec!["12".to_owned(), "-".to_owned()]];
        assert_eq!(table(&["p", "owner"], rows.into_iter()), "p   owner\n1   wallet-0\n12  -\n");
    }
}
