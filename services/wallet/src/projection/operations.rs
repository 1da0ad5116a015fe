//! From batches to the rows that say in which batch an operation is.

use fault::Fault;
use prost::Message as _;
use sqlx::PgConnection;
use uuid::Uuid;
use wallet_domain::{Batch, Recorded};

use super::copy::CopyBuffer;
use super::directory::Directory;
use crate::history::id_chunk::{IDS_MAX, IdChunk, slot};

const SINGLE: &str = "COPY ledger_operations_rows (tenant_id, operation_id, partition, sequence) \
    FROM STDIN WITH (FORMAT binary)";
const CHUNKS: &str = "COPY ledger_operation_chunks_rows (tenant_id, partition, slot, first_id, last_id, \
    operations, payload) FROM STDIN WITH (FORMAT binary)";

/// An operation whose id says its time, in the order in which such ids are put together.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Timed {
    tenant: Uuid,
    slot: i64,
    id: Uuid,
    sequence: u64,
}

/// The operations of a step.
pub(super) struct OperationRows {
    partition: i32,
    single: CopyBuffer,
    chunks: CopyBuffer,
    timed: Vec<Timed>,
}

impl OperationRows {
    /// The rows that follow from consecutive batches.
    pub(super) fn of(partition: u16, directory: &Directory, batches: &[(u64, Batch)]) -> fault::Result<Self> {
        let (single, chunks, timed) = (CopyBuffer::default(), CopyBuffer::default(), Vec::new());
        let mut rows = Self { partition: i32::from(partition), single, chunks, timed };
        for (sequence, batch) in batches {
            for recorded in batch.recorded() {
                rows.add(tenant_of(directory, *sequence, recorded)?, recorded.operation.id(), *sequence);
            }
        }
        rows.put_together();
        Ok(rows)
    }

    /// Writes them.
    pub(super) async fn write(self, connection: &mut PgConnection) -> fault::Result<()> {
        self.single.write(connection, SINGLE).await?;
        self.chunks.write(connection, CHUNKS).await
    }

    fn add(&mut self, tenant: Uuid, id: Uuid, sequence: u64) {
        if let Some(slot) = slot(id) {
            return self.timed.push(Timed { tenant, slot, id, sequence });
        }
        self.single
            .row(4)
            .field(tenant.as_bytes())
            .field(id.as_bytes())
            .field(&self.partition.to_be_bytes())
            .field(&sequence.to_be_bytes());
    }

    fn put_together(&mut self) {
        let mut timed = std::mem::take(&mut self.timed);
        timed.sort_unstable();
        let same_slot = |one: &Timed, next: &Timed| (one.tenant, one.slot) == (next.tenant, next.slot);
        for same in timed.chunk_by(same_slot).flat_map(|same| same.chunks(IDS_MAX)) {
            self.close(same);
        }
    }

    fn close(&mut self, same: &[Timed]) {
        let (Some(first), Some(last)) = (same.first(), same.last()) else { return };
        let chunk = IdChunk::of(same.iter().map(|timed| (timed.id, timed.sequence)));
        self.chunks
            .row(7)
            .field(first.tenant.as_bytes())
            .field(&self.partition.to_be_bytes())
            .field(&first.slot.to_be_bytes())
            .field(first.id.as_bytes())
            .field(last.id.as_bytes())
            .field(&i32::try_from(same.len()).unwrap_or(i32::MAX).to_be_bytes())
            .field(&chunk.encode_to_vec());
    }
}

/// Whose operation it is.
fn tenant_of(directory: &Directory, sequence: u64, recorded: Recorded<'_>) -> fault::Result<Uuid> {
    let tenant = match (recorded.operation.tenant.checked_sub(1), recorded.postings.first()) {
        (Some(tenant), _) => directory.tenant(tenant),
        (None, Some(posting)) => directory.get(posting.debit).map(|known| known.tenant),
        (None, None) => None,
    };
    let id = recorded.operation.id();
    tenant.ok_or_else(|| Fault::internal(format!("batch {sequence}: operation {id} of nobody")))
}
