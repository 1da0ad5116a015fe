//! Writes snapshots beside the appends: encoding takes a blocking thread, saving a connection of the
//! pool, and neither the writer nor an append waits for them.

use std::time::Instant;

use journal::{Hash, Journal, Lease, Snapshot};
use tokio::sync::mpsc;
use wallet_domain::{PartitionState, encode_snapshot};

use crate::metrics;

/// A durable state to keep.
pub(crate) struct Due {
    /// Hash of the row behind which it stands.
    pub(crate) hash: Hash,
    pub(crate) state: PartitionState,
}

/// Saves what is due, one after another, until the appender ends. A snapshot that could not be
/// saved is no loss: the next one will be, and recovery reads a little more until then.
pub(crate) async fn run<J: Journal>(journal: &J, lease: Lease, mut due: mpsc::Receiver<Due>) {
    while let Some(Due { hash, state }) = due.recv().await {
        let (began, sequence) = (Instant::now(), state.sequence());
        let Ok(payload) = tokio::task::spawn_blocking(move || encode_snapshot(&state)).await else {
            continue;
        };
        let bytes = payload.len();
        match journal.save_snapshot(lease, &Snapshot { sequence, hash, payload }).await {
            Ok(()) => metrics::snapshot_saved(bytes, began.elapsed()),
            Err(error) => {
                tracing::warn!(partition = lease.partition, sequence, %error, "a snapshot was not saved")
            }
        }
    }
}
