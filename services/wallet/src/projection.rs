//! Entries and accounts as tables, filled from the journal.
//!
//! Reads batches behind the cursor and writes their rows with COPY, the cursor in the same
//! transaction: a batch is in the tables once or not at all. The cursor's row is taken first and
//! must stand where this process thinks it stands, so two replicas cannot both write. Facts carry
//! their resulting balances, so nothing is computed here; what a batch cannot be read for stops it.

mod copy;
mod directory;
mod entries;
mod lots;
mod operations;

use fault::Fault;
use journal::{Journal, JournalError};
use runtime::Drain;
use sqlx::PgConnection;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, timeout};
use wallet_domain::{Batch, CorruptBatch};

use crate::engine::Ledger;
use crate::metrics;
use crate::store::Store;
use directory::Directory;
use entries::EntryRows;
use operations::OperationRows;

/// Batches per transaction.
const PAGE: u32 = 16;
/// While less than this is behind, about two minutes of the fastest writing, the writer goes first:
/// the history takes a share of the processors and follows when it is quiet. Beyond, it takes what it
/// gets, so that it falls no further behind than the machine makes it.
const PATIENCE: u64 = 4_096;
/// How long batches are gathered for a step, unless somebody waits for their entries: a step takes
/// several round trips and a commit, however little it finds.
const GATHER: Duration = Duration::from_millis(20);
const POLL: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Projects a partition until `drain` is cancelled.
///
/// # Errors
/// A batch that cannot be read; everything else is tried again.
pub async fn run_projection<J: Journal>(
    ledger: Ledger,
    journal: J,
    store: Store,
    partition: u16,
    drain: Drain,
) -> fault::Result<()> {
    let mut pause = Duration::ZERO;
    loop {
        let work = follow(&ledger, &journal, &store, partition);
        match drain.run_until_cancelled(work).await {
            None => return Ok(()),
            Some(Err(fault)) if fault.is_transient() => {
                tracing::warn!(partition, ?fault, "entries cannot be projected for now");
                pause = (pause * 2).clamp(Duration::from_millis(100), PAUSE_MAX);
                drain.run_until_cancelled(sleep(pause)).await;
            }
            Some(ended) => return ended,
        }
    }
}

/// Follows the journal for ever.
async fn follow<J: Journal>(
    ledger: &Ledger,
    journal: &J,
    store: &Store,
    partition: u16,
) -> fault::Result<()> {
    let mut durable = ledger.watch_durable(partition)?;
    let mut projector = Projector::start(store, partition).await?;
    ledger.note_projected(partition, projector.sequence);
    loop {
        let (begun, seen) = (Instant::now(), *durable.borrow_and_update());
        let rows = journal.read(partition, projector.sequence, PAGE).await.map_err(unread)?;
        if rows.is_empty() {
            woken(&mut durable).await;
            continue;
        }
        let batches = rows.iter().map(|row| Ok((row.sequence, Batch::from_payload(&row.payload)?)));
        let batches: Vec<_> = batches.collect::<Result<_, CorruptBatch>>().map_err(Fault::internal)?;
        projector.project(store, &batches).await?;
        ledger.note_projected(partition, projector.sequence);
        let reached = *durable.borrow();
        let behind = reached.saturating_sub(projector.sequence);
        metrics::entries_behind(partition, behind);
        let pause = if rows.len() < PAGE as usize {
            GATHER
        } else if reached > seen && behind < PATIENCE {
            begun.elapsed()
        } else {
            continue;
        };
        let _ = timeout(pause, ledger.projection_wanted(partition)).await;
    }
}

/// A commit of this process wakes at once; those of others are found by polling.
async fn woken(durable: &mut watch::Receiver<u64>) {
    tokio::select! {
        changed = durable.changed() => if changed.is_err() { sleep(POLL).await },
        () = sleep(POLL) => {}
    }
}

pub(crate) fn unread(error: JournalError) -> Fault {
    match error {
        JournalError::Unavailable(_) => Fault::unavailable("journal_unavailable", error),
        damaged => Fault::internal(damaged),
    }
}

/// Where the projection stands, and the accounts it has met.
struct Projector {
    partition: u16,
    sequence: u64,
    directory: Directory,
}

impl Projector {
    async fn start(store: &Store, partition: u16) -> fault::Result<Self> {
        let mut unit = store.worker().await?;
        let sequence = cursor(&mut unit, partition).await?;
        let directory = Directory::load(&mut unit, partition).await?;
        unit.commit().await.map_err(eventstore::storage)?;
        Ok(Self { partition, sequence, directory })
    }

    /// Writes the rows of consecutive batches in one transaction.
    async fn project(&mut self, store: &Store, batches: &[(u64, Batch)]) -> fault::Result<()> {
        let mut unit = store.worker().await?;
        if cursor(&mut unit, self.partition).await? != self.sequence {
            return Err(Fault::unavailable("projected_elsewhere", "another process has moved the cursor"));
        }
        for (_, batch) in batches {
            self.directory.open(&mut unit, self.partition, batch).await?;
        }
        EntryRows::of(self.partition, &self.directory, batches)?.write(&mut unit).await?;
        OperationRows::of(self.partition, &self.directory, batches)?.write(&mut unit).await?;
        lots::write(&mut unit, self.partition, &self.directory, batches).await?;
        let last = batches.last().map_or(self.sequence, |(sequence, _)| *sequence);
        sqlx::query("UPDATE ledger_progress SET projected = $2 WHERE partition = $1")
            .bind(i32::from(self.partition))
            .bind(i64::try_from(last).unwrap_or(i64::MAX))
            .execute(&mut *unit)
            .await
            .map_err(eventstore::storage)?;
        unit.commit().await.map_err(eventstore::storage)?;
        self.sequence = last;
        Ok(())
    }
}

/// Takes the cursor's row until the transaction ends.
async fn cursor(connection: &mut PgConnection, partition: u16) -> fault::Result<u64> {
    sqlx::query("INSERT INTO ledger_progress (partition) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(i32::from(partition))
        .execute(&mut *connection)
        .await
        .map_err(eventstore::storage)?;
    let projected: i64 =
        sqlx::query_scalar("SELECT projected FROM ledger_progress WHERE partition = $1 FOR NO KEY UPDATE")
            .bind(i32::from(partition))
            .fetch_one(connection)
            .await
            .map_err(eventstore::storage)?;
    u64::try_from(projected).map_err(Fault::internal)
}
