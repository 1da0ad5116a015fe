//! `vbwd ledger export`: the journal as a file that `verify` reads, or as lines of JSON.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fault::Fault;
use wallet::proof::{Exported, export_archive, export_lines, partitions};

use super::target::Target;
use crate::config::Config;

/// What to write, and where.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only this partition.
    #[arg(long)]
    partition: Option<u16>,
    /// How to write it.
    #[arg(long, value_enum, default_value_t = Format::Journal)]
    format: Format,
    /// The first batch of every partition to write.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Where to write it; standard output when left out.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Rows with their hashes, for `vbwd ledger verify --file`.
    Journal,
    /// One JSON object for every account and operation, for people and data teams.
    Jsonl,
}

/// Writes, and says on standard error what was written.
///
/// # Errors
/// When there is no such partition, the journal does not answer, or nothing can be written.
pub async fn run(config: &Config, arguments: Arguments) -> fault::Result<()> {
    let target = Target::of(config)?;
    let there = partitions(&target.store).await?;
    let chosen = match arguments.partition {
        None => 0..there,
        Some(one) if one < there => one..one.saturating_add(1),
        Some(other) => return Err(Fault::not_found("partition").with_fact("partition", other)),
    };
    let unwritten = |error: std::io::Error| Fault::unavailable("export_not_written", error);
    let out: Box<dyn Write> = match &arguments.out {
        None => Box::new(stdout().lock()),
        Some(path) => Box::new(File::create(path).map_err(unwritten)?),
    };
    let mut out = BufWriter::with_capacity(1 << 20, out);
    let from = arguments.from.max(1);
    let exported = match arguments.format {
        Format::Journal => export_archive(&target.journal, chosen, from, &mut out).await?,
        Format::Jsonl => export_lines(&target.journal, chosen, from, &mut out).await?,
    };
    out.flush().map_err(unwritten)?;
    let Exported { batches, lines } = exported;
    match arguments.format {
        Format::Journal => eprintln!("exported {batches} batches"),
        Format::Jsonl => eprintln!("exported {lines} lines from {batches} batches"),
    }
    Ok(())
}
