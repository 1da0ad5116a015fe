//! The ledger by itself: `load ledger`, behind `make bench-ledger`.
//!
//! The wallet alone is served by the release build on a private durable PostgreSQL and loaded over
//! gRPC from this process, which runs on one thread and sends requests that were encoded before.
//! Every figure is measured three times; the median is the figure. Each begins when the history of
//! the one before is complete, and none counts on another, so any part can be measured by itself.

mod batches;
mod caller;
mod history;
mod peer;
mod plots;
mod recovery;
mod stand;
mod target;
mod throughput;
mod unary;
mod usage;

use std::time::{Duration, Instant};

use crate::figures::Figures;
use crate::ledger::batches::Load;
use crate::ledger::plots::Plots;
use crate::ledger::stand::Wallet;
use crate::ledger::target::Target;

/// How often each figure is measured.
const RUNS: usize = 3;
/// The parts of the bench, in their order.
const PARTS: [&str; 10] =
    ["peer", "unary", "reads", "batch", "sizes", "variants", "sustained", "events", "history", "recovery"];
const CUSTOMERS: usize = 10_000;
/// Disk that the long run needs, bytes.
const FULL_NEEDS: u64 = 40 << 30;

/// What of the ledger to measure.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these parts.
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(PARTS))]
    only: Vec<String>,
    /// A million accounts and up to 50 million operations, instead of a tenth.
    #[arg(long)]
    full: bool,
    /// Copies the plots to docs/explanation/ledger.
    #[arg(long)]
    publish: bool,
    /// Seconds per run of single calls.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=30))]
    seconds: u64,
    /// Numbers of single calls in flight, spread over at most four connections.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32, 64, 128, 512])]
    in_flight: Vec<usize>,
    /// Seconds of the sustained run.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=120))]
    sustained_seconds: u64,
}

/// What a part of the bench works with.
pub struct Stage<'a> {
    pub wallet: &'a Wallet,
    pub figures: &'a mut Figures,
    pub time: Duration,
}

/// Runs the bench.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (started, mut figures) = (Instant::now(), Figures::open("ledger.jsonl")?);
    let mut plots = Plots::default();
    println!("machine: {} cores, load {}", crate::cores(), crate::load());
    figures.add("machine.load_before", load_of_a_minute(), "")?;
    if PARTS.iter().any(|part| *part != "recovery" && arguments.wants(part)) {
        Box::pin(measure(arguments, &mut figures, &mut plots)).await?;
    }
    if arguments.wants("recovery") {
        Box::pin(recovery::measure(&recovery::SMALL, &mut figures)).await?;
        if arguments.full {
            Box::pin(recovery::measure(&recovery::FULL, &mut figures)).await?;
        }
    }
    ratios(&mut figures)?;
    figures.add("machine.load_after", load_of_a_minute(), "")?;
    println!("load after: {}; it took {} s", crate::load(), started.elapsed().as_secs());
    let before = figures.value("machine.load_before").unwrap_or_default();
    let cores = crate::cores();
    let note = format!(
        "client, wallet and PostgreSQL together on {cores} cores; median of {RUNS} runs; load before {before}"
    );
    plots.write(&note, arguments.publish)
}

impl Arguments {
    fn wants(&self, part: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == part)
    }
}

/// Everything that is measured on one stand.
async fn measure(arguments: &Arguments, figures: &mut Figures, plots: &mut Plots) -> anyhow::Result<()> {
    let mut wallet = Wallet::start(&[]).await?;
    if arguments.full {
        enough_disk(&wallet)?;
    }
    let time = Duration::from_secs(arguments.seconds);
    if arguments.wants("peer") {
        peer::measure(&wallet.postgres, time, figures).await?;
    }
    let target = Target::open(&wallet, CUSTOMERS).await?;
    let mut stage = Stage { wallet: &wallet, figures, time };
    if arguments.wants("unary") {
        unary::posts(&mut stage, &target, &arguments.in_flight, plots).await?;
    }
    if arguments.wants("reads") {
        unary::reads(&mut stage, &target).await?;
    }
    let mut load = Load::of(2);
    if arguments.wants("batch") {
        load = throughput::clients(&mut stage, &target).await?;
    }
    if arguments.wants("sizes") {
        throughput::sizes(&mut stage, &target, plots).await?;
    }
    if arguments.wants("variants") {
        throughput::variants(&mut stage, &target, &load).await?;
    }
    if arguments.wants("sustained") {
        let time = Duration::from_secs(arguments.sustained_seconds);
        history::sustained(&mut stage, &target, time, &load, plots).await?;
    }
    if arguments.wants("events") {
        wallet.publish_from_now().await?;
        throughput::published(&mut Stage { wallet: &wallet, figures, time }, &target, &load).await?;
    }
    drop(wallet);
    if arguments.wants("history") {
        let wallet = Wallet::start(&[]).await?;
        let target = Target::open(&wallet, CUSTOMERS).await?;
        let millions: &[usize] = if arguments.full { &[1, 10, 50] } else { &[1, 3] };
        history::growing(&mut Stage { wallet: &wallet, figures, time }, &target, millions, plots).await?;
    }
    Ok(())
}

/// What is said beside the figures.
fn ratios(figures: &mut Figures) -> anyhow::Result<()> {
    println!("\nratios");
    for (bench, of) in [
        ("ledger.batch", "peer.sql_double_entry_64"),
        ("ledger.batch", "peer.sql_function_64"),
        ("ledger.batch_projected", "peer.sql_double_entry_64"),
        ("ledger.unary_512", "peer.sql_double_entry_64"),
        ("ledger.unary_64", "peer.sql_double_entry_64"),
        ("ledger.unary_64", "peer.sql_function_64"),
        ("ledger.unary_1", "peer.sql_double_entry_1"),
        ("ledger.unary_1", "peer.sql_function_1"),
        ("ledger.unary_1_p50_ms", "postgres.commit_p50_ms"),
        ("ledger.hot_account", "ledger.hot_account_uniform"),
        ("ledger.batch_history_held", "ledger.batch"),
        ("ledger.batch_publishing", "ledger.batch"),
        ("ledger.batch_at_3m", "ledger.batch_at_1m"),
        ("ledger.batch_at_10m", "ledger.batch_at_1m"),
        ("ledger.batch_at_50m", "ledger.batch_at_1m"),
    ] {
        figures.add_ratio(bench, of)?;
    }
    Ok(())
}

fn load_of_a_minute() -> f64 {
    crate::load().split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or_default()
}

/// A long run must not fill the disk of the machine.
fn enough_disk(wallet: &Wallet) -> anyhow::Result<()> {
    let output = std::process::Command::new("df")
        .args(["--output=avail", "-B1"])
        .arg(wallet.postgres.data_folder())
        .output()?;
    let free =
        String::from_utf8_lossy(&output.stdout).lines().last().and_then(|line| line.trim().parse().ok());
    let free: u64 = free.unwrap_or_default();
    anyhow::ensure!(
        free >= FULL_NEEDS,
        "--full needs {} GiB of disk, {} are free",
        FULL_NEEDS >> 30,
        free >> 30
    );
    Ok(())
}
