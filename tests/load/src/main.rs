//! Prints what the product does on this machine; `load ledger` what the ledger does by itself.
//!
//! It starts a durable private PostgreSQL, a private nats-server and the release build of `vbwd`
//! with all services, loads them from this process on the same machine, and prints one line per
//! figure. Nothing is judged here. Every run is bounded in count and time and talks to loopback
//! only. Each figure is also a JSON line in `bench-results/latest.jsonl` (`ledger.jsonl`).

mod bench;
mod connection;
mod figures;
mod grpc;
mod ledger;
mod plot;
mod requests;
mod stand;
mod workload;

use std::time::Duration;

use clap::Parser;

use crate::figures::Figures;
use crate::stand::Stand;

/// What to measure.
#[derive(Debug, Parser)]
struct Arguments {
    /// Only benches whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Measures the ledger by itself.
    Ledger(ledger::Arguments),
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match &arguments.command {
        None => runtime.block_on(Box::pin(run(&arguments))),
        Some(Command::Ledger(arguments)) => runtime.block_on(Box::pin(ledger::run(arguments))),
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let seconds = Duration::from_secs(arguments.seconds);
    let mut figures = Figures::open("latest.jsonl")?;
    let mut stand = Stand::start(&mut figures).await?;
    println!("machine: {} cores, load {}", cores(), load());
    let wanted = |name: &str| name.contains(&arguments.only);
    if wanted("gateway.get") {
        bench::gateway::get_bundles(&stand, seconds, &mut figures).await?;
    }
    if wanted("overhead") {
        bench::edge::overhead(&stand, seconds, &mut figures).await?;
    }
    if wanted("routing") {
        bench::edge::lookup(&mut figures)?;
    }
    if wanted("authority") {
        bench::edge::authority(&mut figures)?;
    }
    if wanted("login") {
        bench::gateway::log_in(&stand, seconds, &mut figures).await?;
    }
    if wanted("checkout") {
        bench::checkout::created(&stand, seconds, &mut figures).await?;
    }
    if wanted("sale") {
        bench::checkout::whole_sales(&stand, seconds, &mut figures).await?;
    }
    if wanted("ledger") {
        bench::ledger::unary(&stand, seconds, &mut figures).await?;
    }
    stand.memory(&mut figures)?;
    stand.restart(&mut figures).await?;
    println!("load after: {}", load());
    Ok(())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}
