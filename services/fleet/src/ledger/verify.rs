//! `vbwd ledger verify`: says whether the ledger is what it says.
//!
//! Exit codes, for scripts: 0 nothing is wrong, 1 something is, 2 it could not be looked at.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;
use fault::Fault;
use kernel::{Clock as _, SystemClock};
use wallet::proof::{Anchor, ArchiveError, Report, Source, verify_archive, verify_database};

use super::target::Target;
use crate::config::Config;

/// What to look at.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A file of `vbwd ledger export`; needs no database. Without it, the configured database.
    #[arg(long)]
    pub(super) file: Option<PathBuf>,
    /// Only this partition.
    #[arg(long)]
    partition: Option<u16>,
    /// A head that an earlier run has shown, `<partition>:<batch>:<hash>`; one for each partition.
    #[arg(long = "head")]
    heads: Vec<Anchor>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Looks, and prints what was found. Answers whether nothing is wrong.
///
/// # Errors
/// When something could not be looked at.
pub async fn run(config: &Config, arguments: Arguments) -> fault::Result<bool> {
    let target = Target::of(config)?;
    let source = Source { store: &target.store, journal: &target.journal };
    let now_ms = SystemClock.wall().as_millisecond();
    let looking = verify_database(&source, arguments.partition, &arguments.heads, now_ms);
    show(&Box::pin(looking).await?, arguments.json)
}

/// The same for a file.
///
/// # Errors
/// When it is no such file, or cannot be read.
pub fn run_on_file(path: &Path, arguments: &Arguments) -> fault::Result<bool> {
    let looked_at = |error: ArchiveError| {
        let fault = Fault::unavailable("export_not_read", error);
        fault.with_fact("file", path.display())
    };
    let file = File::open(path).map_err(|error| looked_at(error.into()))?;
    let source = BufReader::with_capacity(1 << 20, file);
    let report = verify_archive(source, arguments.partition, &arguments.heads).map_err(looked_at)?;
    show(&report, arguments.json)
}

fn show(report: &Report, as_json: bool) -> fault::Result<bool> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(report).map_err(Fault::internal)?);
    } else {
        print!("{report}");
    }
    Ok(report.is_clean())
}
