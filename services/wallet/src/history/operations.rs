//! Operations by id: from memory while they are remembered, from the table afterwards; their facts
//! from the journal's own batch.

use eventstore::storage;
use fault::Fault;
use ids::{OperationId, TenantId};
use journal::Journal as _;
use prost::Message as _;
use sqlx::PgConnection;
use wallet_domain::{Batch, Operation, Original, Outcome, Posting, Recorded, effect, original, outcome};

use super::History;
use super::id_chunk::{IdChunk, slot};
use crate::position::Position;

/// An operation as the journal has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Where it was recorded.
    pub position: Position,
    /// The tenant's time, milliseconds since 1970.
    pub at_ms: i64,
    /// What it was.
    pub operation: Operation,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub actor: String,
    /// Shared by everything that followed from one outside request.
    pub correlation: uuid::Uuid,
    /// Its postings.
    pub postings: Vec<Posting>,
    /// What else became of it.
    pub effects: Vec<effect::Effect>,
}

const SINGLE: &str =
    "SELECT partition, sequence FROM ledger_operations WHERE tenant_id = $1 AND operation_id = $2 LIMIT 1";
const CHUNKS: &str = "
SELECT partition, payload FROM ledger_operation_chunks
WHERE tenant_id = $1 AND slot = $2 AND first_id <= $3 AND last_id >= $3";

impl Found {
    fn recorded(&self) -> Recorded<'_> {
        Recorded { operation: &self.operation, postings: &self.postings, effects: &self.effects }
    }

    /// It as a reversal needs it.
    #[must_use]
    pub fn original(&self) -> Original {
        original(self.recorded(), self.at_ms)
    }

    /// What it came to.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        outcome(&self.postings, &self.effects)
    }
}

impl History {
    /// An operation of a tenant.
    ///
    /// # Errors
    /// Faults of the database or the journal.
    pub async fn operation(&self, tenant: TenantId, operation: OperationId) -> fault::Result<Option<Found>> {
        let remembered = self.ledger.operation(tenant, operation).await?;
        let position = match remembered {
            Some(position) => Some(position),
            None => self.tabled(tenant, operation).await?,
        };
        match position {
            Some(position) => self.recorded(position, operation).await.map(Some),
            None => Ok(None),
        }
    }

    /// Where the tables say that an operation was recorded.
    async fn tabled(&self, tenant: TenantId, operation: OperationId) -> fault::Result<Option<Position>> {
        let mut reading = self.store.read(tenant).await?;
        let found = match chunked(&mut reading, tenant, operation).await? {
            Some(found) => Some(found),
            None => single(&mut reading, tenant, operation).await?,
        };
        reading.rollback().await.map_err(storage)?;
        let position = |(partition, sequence)| {
            Ok(Position { partition: u16::try_from(partition).map_err(Fault::internal)?, sequence })
        };
        found.map(position).transpose()
    }

    /// Whether the tables know an operation; if not, up to which batch they are complete: `through` at
    /// least, which is waited for.
    ///
    /// # Errors
    /// `position_not_reached`, or faults of the database or the journal.
    pub async fn settle(
        &self,
        tenant: TenantId,
        operation: OperationId,
        through: u64,
    ) -> fault::Result<Result<Found, u64>> {
        let partition = self.ledger.partition_of(tenant);
        self.reach_position(Position { partition, sequence: through }).await?;
        let complete = self.projected(partition).await?;
        match self.tabled(tenant, operation).await? {
            Some(position) => self.recorded(position, operation).await.map(Ok),
            None => Ok(Err(complete)),
        }
    }

    async fn recorded(&self, position: Position, operation: OperationId) -> fault::Result<Found> {
        let before = position.sequence.saturating_sub(1);
        let rows = self.journal.read(position.partition, before, 1).await;
        let rows = rows.map_err(crate::projection::unread)?;
        let missing = || Fault::internal(format!("operation {operation} is not in batch {position}"));
        let batch =
            Batch::from_payload(&rows.first().ok_or_else(missing)?.payload).map_err(Fault::internal)?;
        let found = batch.recorded().find(|found| found.operation.id() == operation.as_uuid());
        let Recorded { operation, postings, effects } = found.ok_or_else(missing)?;
        let origin = batch.origins.get(operation.origin as usize);
        Ok(Found {
            position,
            at_ms: batch.time_of(operation),
            reason: batch.word(operation.reason).unwrap_or_default().to_owned(),
            actor: origin.map(|origin| origin.actor.clone()).unwrap_or_default(),
            correlation: origin.map(wallet_domain::Origin::correlation_id).unwrap_or_default(),
            operation: operation.clone(),
            postings: postings.to_vec(),
            effects: effects.to_vec(),
        })
    }
}

/// Partition and batch of an operation whose id says its time.
async fn chunked(
    connection: &mut PgConnection,
    tenant: TenantId,
    operation: OperationId,
) -> fault::Result<Option<(i32, u64)>> {
    let id = operation.as_uuid();
    let Some(slot) = slot(id) else { return Ok(None) };
    let chunks: Vec<(i32, Vec<u8>)> = sqlx::query_as(CHUNKS)
        .bind(tenant.as_uuid())
        .bind(slot)
        .bind(id)
        .fetch_all(connection)
        .await
        .map_err(storage)?;
    for (partition, payload) in chunks {
        let chunk = IdChunk::decode(payload.as_slice()).map_err(Fault::internal)?;
        if let Some(sequence) = chunk.find(id) {
            return Ok(Some((partition, sequence)));
        }
    }
    Ok(None)
}

/// Partition and batch of an operation that has a row of its own.
async fn single(
    connection: &mut PgConnection,
    tenant: TenantId,
    operation: OperationId,
) -> fault::Result<Option<(i32, u64)>> {
    let found: Option<(i32, i64)> = sqlx::query_as(SINGLE)
        .bind(tenant.as_uuid())
        .bind(operation.as_uuid())
        .fetch_optional(connection)
        .await
        .map_err(storage)?;
    let unsigned = |(partition, sequence)| Ok((partition, u64::try_from(sequence).map_err(Fault::internal)?));
    found.map(unsigned).transpose()
}
