//! Makes the outcome of an append certain, as [`Settling`] says.
//!
//! Only when the journal stays silent for the whole patience does the outcome stay unknown; then the
//! partition starts over under a new epoch, which shuts the door on the row if it is still on its way.

use std::time::{Duration, Instant};

use journal::{Journal, JournalError, Lease, Row};
use tokio::sync::mpsc;

use super::desk::Desk;
use super::rounds::Append;
use super::settling::{Next, Settled, Settling};
use super::snapshots::Due;
use crate::metrics;

/// Appends what the writer hands over, one after another, until the writer ends or an append cannot be
/// settled.
pub(crate) async fn run<J: Journal>(
    journal: &J,
    lease: Lease,
    patience: Duration,
    mut appends: mpsc::Receiver<Append>,
    desk: &Desk,
    snapshots: mpsc::Sender<Due>,
    durable: impl Fn(u64),
) -> fault::Result<()> {
    while let Some(append) = appends.recv().await {
        let began = Instant::now();
        if let Err(error) = settle(journal, lease, &append.row, patience).await {
            desk.settled(Settled::Unknown);
            return Err(fault::Fault::unavailable("ledger_append_unsettled", error));
        }
        metrics::batch_appended(append.operations, append.row.payload.len(), began.elapsed());
        durable(append.row.sequence);
        desk.settled(Settled::Durable);
        if let Some(state) = append.snapshot {
            // While one is being written the next is left out.
            let _ = snapshots.try_send(Due { hash: append.row.hash, state: *state });
        }
    }
    Ok(())
}

async fn settle<J: Journal>(
    journal: &J,
    lease: Lease,
    row: &Row,
    patience: Duration,
) -> Result<(), JournalError> {
    let mut settling = Settling::begun(Instant::now(), patience);
    loop {
        let answer = journal.append(lease, row).await;
        let mut next = settling.appended(answer, Instant::now());
        if matches!(next, Next::Look) {
            let stored = journal.read(lease.partition, row.sequence.saturating_sub(1), 1).await;
            next = settling.looked(row, stored, Instant::now());
        }
        match next {
            Next::Look => {}
            Next::Done(outcome) => return outcome,
            Next::Repeat(pause, error) => {
                tracing::warn!(partition = lease.partition, sequence = row.sequence, %error, "an append is repeated");
                tokio::time::sleep(pause).await;
            }
        }
    }
}
