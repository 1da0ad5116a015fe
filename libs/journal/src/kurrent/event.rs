//! The two kinds of event in a partition's stream.
//!
//! A batch is the payload as it is; its number, epoch and hash are JSON metadata, which KurrentDB's
//! own tools show. A fence has no payload and names the batch it stands behind, so that every event
//! says which batches come before it: the numbers never fall along the stream, nor do the epochs.

use bytes::Bytes;
use kurrentdb::{EventData, RecordedEvent};
use serde::{Deserialize, Serialize};

use crate::{Hash, JournalError, Lease, Row};

const BATCH: &str = "vbwd-ledger-batch";
const FENCE: &str = "vbwd-ledger-fence";

#[derive(Serialize, Deserialize)]
struct Metadata {
    sequence: u64,
    epoch: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

/// An event as it is found in the stream.
pub(super) struct Stored {
    /// Its number in the stream, from 0.
    pub(super) revision: u64,
    /// The last batch up to here, this one included.
    pub(super) sequence: u64,
    pub(super) epoch: u64,
    /// The batch; a fence has none.
    pub(super) row: Option<Row>,
}

/// The event of a batch that the holder of `lease` appends.
pub(super) fn batch(lease: Lease, row: &Row) -> Result<EventData, JournalError> {
    let hash = Some(hex::encode(row.hash));
    let metadata = Metadata { sequence: row.sequence, epoch: lease.epoch, hash };
    event(BATCH, Bytes::copy_from_slice(&row.payload), &metadata)
}

/// The event by which the holder of `lease` shuts out whoever wrote before.
pub(super) fn fence(lease: Lease, sequence: u64) -> Result<EventData, JournalError> {
    event(FENCE, Bytes::new(), &Metadata { sequence, epoch: lease.epoch, hash: None })
}

fn event(kind: &str, payload: Bytes, metadata: &Metadata) -> Result<EventData, JournalError> {
    EventData::binary(kind, payload).metadata_as_json(metadata).map_err(JournalError::unavailable)
}

/// Reads an event; whatever is neither batch nor fence does not belong into the stream.
pub(super) fn stored(event: RecordedEvent) -> Result<Stored, JournalError> {
    let damaged = |what: &str| {
        JournalError::Corrupt(format!("event {} of {}: {what}", event.revision, event.stream_id()))
    };
    let metadata: Metadata =
        serde_json::from_slice(&event.custom_metadata).map_err(|error| damaged(&error.to_string()))?;
    let Metadata { sequence, epoch, hash } = metadata;
    let row = match (event.event_type.as_str(), hash) {
        (FENCE, _) => None,
        (BATCH, Some(text)) => {
            let mut hash: Hash = [0; 32];
            hex::decode_to_slice(text, &mut hash).map_err(|_| damaged("a hash has 32 bytes"))?;
            Some(Row { sequence, epoch, payload: event.data.to_vec(), hash })
        }
        _ => return Err(damaged("neither a batch nor a fence")),
    };
    Ok(Stored { revision: event.revision, sequence, epoch, row })
}
