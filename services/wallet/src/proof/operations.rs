//! The tables that say in which batch an operation is, compared with the journal: rows of their own,
//! and chunks of ids.

use fault::Fault;
use futures::TryStreamExt as _;
use prost::Message as _;
use sqlx::FromRow;
use uuid::Uuid;

use super::auditor::Auditor;
use super::digest::{Tally, slot as place_in};
use super::facts::{OperationRow, add_row, operation_rows, signed};
use super::finding::{Check, Finding};
use super::tables::{Tables, difference, first_difference, place_of, unanswered};
use crate::history::id_chunk::{IdChunk, slot};

const SINGLE: &str = "SELECT tenant_id, operation_id, sequence FROM ledger_operations WHERE partition = $1";
const CHUNKS: &str = "SELECT tenant_id, slot, first_id, last_id, operations, payload \
    FROM ledger_operation_chunks WHERE partition = $1";

#[derive(FromRow)]
struct ChunkRow {
    tenant_id: Uuid,
    slot: i64,
    first_id: Uuid,
    last_id: Uuid,
    operations: i32,
    payload: Vec<u8>,
}

impl ChunkRow {
    /// The rows that stand in it, if its columns say what is in it.
    fn rows(&self) -> Option<Vec<OperationRow>> {
        let chunk = IdChunk::decode(self.payload.as_slice()).ok()?;
        let row = |(operation_id, sequence)| OperationRow {
            tenant_id: self.tenant_id,
            operation_id,
            sequence: signed(sequence),
        };
        let rows: Vec<_> = chunk.ids().map(row).collect();
        let (first, last) = (rows.first()?.operation_id, rows.last()?.operation_id);
        let is_described = (first, last) == (self.first_id, self.last_id)
            && rows.is_sorted_by(|one, next| one.operation_id <= next.operation_id)
            && rows.iter().all(|row| slot(row.operation_id) == Some(self.slot))
            && usize::try_from(self.operations) == Ok(rows.len());
        is_described.then_some(rows)
    }
}

impl Tables<'_> {
    pub(super) async fn operations(&mut self, auditor: &Auditor) -> fault::Result<Option<Finding>> {
        let (mut found, mut scratch, projected) = (Vec::<Tally>::new(), Vec::new(), self.projected);
        let stray = self
            .each_operation(auditor, |row| {
                let Some(place) = place_of(row.sequence, projected) else {
                    let detail = format!("a row of batch {}, which is not in the tables", row.sequence);
                    let finding = Finding::new(Check::OperationsTable, auditor.partition, detail);
                    return Some(finding.by(Some(row.operation_id)));
                };
                add_row(place_in(&mut found, place), auditor.expected.key, &row, &mut scratch);
                None
            })
            .await?;
        match (stray, first_difference(&auditor.expected.operations, &found)) {
            (Some(stray), _) => Ok(Some(stray)),
            (None, Some(place)) => self.differing_operation(auditor, place).await.map(Some),
            (None, None) => Ok(None),
        }
    }

    async fn differing_operation(&mut self, auditor: &Auditor, place: usize) -> fault::Result<Finding> {
        let mut tabled = Vec::new();
        self.each_operation(auditor, |row| {
            tabled.extend((row.sequence == signed(place as u64)).then_some(row));
            None
        })
        .await?;
        let expected = self.batch_rows(auditor, place, operation_rows).await?;
        let (row, detail) = difference(&expected, &tabled);
        let finding = Finding::new(Check::OperationsTable, auditor.partition, detail);
        Ok(finding.in_batch(place as u64).by(row.map(|row| row.operation_id)))
    }

    /// Shows all rows until `look` finds something.
    async fn each_operation(
        &mut self,
        auditor: &Auditor,
        mut look: impl FnMut(OperationRow) -> Option<Finding>,
    ) -> Result<Option<Finding>, Fault> {
        let partition = i32::from(auditor.partition);
        let single = sqlx::query_as::<_, OperationRow>(SINGLE).bind(partition);
        let mut single = single.fetch(&mut *self.connection);
        while let Some(row) = single.try_next().await.map_err(unanswered)? {
            if let Some(finding) = look(row) {
                return Ok(Some(finding));
            }
        }
        drop(single);
        let mut chunks = sqlx::query_as::<_, ChunkRow>(CHUNKS).bind(partition).fetch(&mut *self.connection);
        while let Some(chunk) = chunks.try_next().await.map_err(unanswered)? {
            let Some(rows) = chunk.rows() else {
                let detail = "a chunk of ids that cannot be read or whose columns differ from what is in it";
                let finding = Finding::new(Check::OperationsTable, auditor.partition, detail);
                return Ok(Some(finding.by(Some(chunk.first_id))));
            };
            if let Some(finding) = rows.into_iter().find_map(&mut look) {
                return Ok(Some(finding));
            }
        }
        Ok(None)
    }
}
