//! Memory per account, and how soon the ledger answers again after `kill -9`. On a stand of its own,
//! so that nothing else is in the wallet's memory or in the journal.

use std::time::{Duration, Instant};

use contracts::vbwd::wallet::v1::GetBalanceRequest;

use crate::figures::{Figures, Spread, figure};
use crate::grpc::framed;
use crate::ledger::RUNS;
use crate::ledger::batches::{BATCH, Load, TEMPLATES, drive};
use crate::ledger::stand::Wallet;
use crate::ledger::target::Target;
use crate::ledger::throughput::whole;
use crate::ledger::usage::resident_bytes;

/// How much is recovered.
pub struct Size {
    /// What the figure is called.
    pub name: &'static str,
    pub accounts: usize,
    pub operations: usize,
    /// Operations after which a snapshot is taken; nothing for the default.
    pub snapshot: Option<u64>,
}

/// A tenth, with a tenth of the operations between snapshots.
pub const SMALL: Size = Size {
    name: "ledger.recovery_small_s",
    accounts: 100_000,
    operations: 1_000_000,
    snapshot: Some(400_000),
};
/// What the ledger is to bear.
pub const FULL: Size =
    Size { name: "ledger.recovery_s", accounts: 1_000_000, operations: 10_000_000, snapshot: None };

const FIRST_ACCOUNTS: usize = 1_000;
/// A process lets its caches settle.
const SETTLE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(120);

/// Builds the state, weighs it, kills and restarts.
pub async fn measure(size: &Size, figures: &mut Figures) -> anyhow::Result<()> {
    let setting = size.snapshot.map(|every| ("VBWD_WALLET_SNAPSHOT_OPERATIONS", every.to_string()));
    let mut wallet = Wallet::start(setting.as_slice()).await?;
    let mut target = Target::open(&wallet, FIRST_ACCOUNTS).await?;
    weigh(&wallet, &mut target, size, figures).await?;
    // The history would still be written long after; only what recovery needs is waited for.
    let hold = wallet.hold_history().await?;
    let load =
        Load { batches: size.operations.div_ceil(BATCH), time: Duration::from_secs(900), ..Load::of(2) };
    whole(drive(&wallet, &target.spending(BATCH, TEMPLATES * 8)?, &load).await?)?;
    tokio::time::sleep(SETTLE * 5).await; // the last snapshot is saved
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        wallet.kill()?;
        tokio::time::sleep(Duration::from_millis(500)).await; // PostgreSQL notices
        let started = Instant::now();
        wallet.start_again()?;
        answered(&wallet, &target, started).await?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    figures.add_spread(size.name, &Spread::of(seconds), "s")?;
    let inside = wallet.metric("wallet_ledger_recovery_seconds").await?;
    figures.add(&format!("{}.read_and_replayed", size.name), inside, "s")?;
    tail(&wallet, size, figures).await?;
    hold.rollback().await?;
    tokio::time::sleep(SETTLE).await;
    let restarted = resident_bytes(wallet.pid())? / (1_024.0 * 1_024.0);
    figures.add(&format!("{}.resident_after", size.name), restarted, "MiB")
}

/// Memory before and after accounts, and a lot for each. In a young process, because one that has
/// worked takes from what it has freed and would seem to need nothing. What calls leave behind and the
/// remembered ids of the grants are counted in: the figures say at most.
async fn weigh(
    wallet: &Wallet,
    target: &mut Target,
    size: &Size,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    tokio::time::sleep(SETTLE).await;
    let before = resident_bytes(wallet.pid())?;
    let started = Instant::now();
    target.add(wallet, size.accounts).await?;
    figures.add(
        "ledger.open_account",
        figure(size.accounts) / started.elapsed().as_secs_f64(),
        "accounts/s",
    )?;
    wallet.catch_up().await?;
    tokio::time::sleep(SETTLE).await;
    let opened = resident_bytes(wallet.pid())?;
    let started = Instant::now();
    target.grant_lots(wallet, FIRST_ACCOUNTS).await?;
    figures.add(
        "ledger.grant_one_client",
        figure(size.accounts) / started.elapsed().as_secs_f64(),
        "grants/s",
    )?;
    wallet.catch_up().await?;
    tokio::time::sleep(SETTLE).await;
    let granted = resident_bytes(wallet.pid())?;
    let per_account = |bytes: f64| bytes / figure(size.accounts);
    figures.add("ledger.memory_bytes_per_account", per_account(opened - before), "bytes")?;
    figures.add("ledger.memory_bytes_per_account_and_lot", per_account(granted - before), "bytes")
}

/// Asks for a balance until there is an answer.
async fn answered(wallet: &Wallet, target: &Target, started: Instant) -> anyhow::Result<()> {
    let caller = wallet.caller("GetBalance")?;
    let account_id = target.customers.last().map(ToString::to_string).unwrap_or_default();
    let message = bytes::Bytes::from(framed(&GetBalanceRequest { account_id, ..Default::default() })?);
    while started.elapsed() < PATIENCE {
        if let Ok(connection) = wallet.connect().await
            && let Ok(Ok(_)) = connection.unary(caller.call()?, message.clone()).await
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("no balance within {} s", PATIENCE.as_secs())
}

/// How much there was to read: a snapshot, and rows behind it.
async fn tail(wallet: &Wallet, size: &Size, figures: &mut Figures) -> anyhow::Result<()> {
    let snapshot = "SELECT sequence, size FROM journal_snapshots ORDER BY sequence DESC LIMIT 1";
    let snapshot: Option<(i64, i64)> = sqlx::query_as(snapshot).fetch_optional(wallet.pool()).await?;
    let (sequence, bytes) = snapshot.unwrap_or_default();
    let tail = "SELECT coalesce(sum(octet_length(payload)), 0)::bigint FROM journal WHERE sequence > $1";
    let tail: i64 = sqlx::query_scalar(tail).bind(sequence).fetch_one(wallet.pool()).await?;
    let mebibytes = |bytes: i64| usize::try_from(bytes).map_or(0.0, figure) / (1_024.0 * 1_024.0);
    figures.add(&format!("{}.snapshot", size.name), mebibytes(bytes), "MiB")?;
    figures.add(&format!("{}.journal_behind_snapshot", size.name), mebibytes(tail), "MiB")
}
