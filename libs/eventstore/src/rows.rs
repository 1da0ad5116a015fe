//! Rows of the `events` table as [`StoredEvent`]s, and the casts that the table needs.

use ids::{EventId, TenantId};
use kernel::{Metadata, Position, StoredEvent};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

/// A row of `events`.
#[derive(sqlx::FromRow)]
pub(crate) struct EventRow {
    event_id: Uuid,
    tenant_id: Uuid,
    kind: String,
    stream_id: Uuid,
    revision: i64,
    transaction: i64,
    sequence: i64,
    name: String,
    version: i16,
    payload: Value,
    metadata: Json<Metadata>,
}

impl From<EventRow> for StoredEvent {
    fn from(row: EventRow) -> Self {
        Self {
            event_id: EventId::from_uuid(row.event_id),
            tenant: TenantId::from_uuid(row.tenant_id),
            kind: row.kind,
            stream: row.stream_id,
            revision: row.revision,
            position: position(row.transaction, row.sequence),
            name: row.name,
            version: row.version.cast_unsigned(),
            payload: row.payload,
            metadata: row.metadata.0,
        }
    }
}

/// The position that is stored as these two columns.
pub(crate) const fn position(transaction: i64, sequence: i64) -> Position {
    Position { transaction: transaction.cast_unsigned(), sequence: sequence.cast_unsigned() }
}

/// The two columns of a position.
pub(crate) const fn columns(position: Position) -> (i64, i64) {
    (position.transaction.cast_signed(), position.sequence.cast_signed())
}

/// The next events for a reader at ($1, $2), at most $3, and none above the horizon.
pub(crate) const AFTER: &str = "SELECT event_id, tenant_id, kind, stream_id, revision, transaction, sequence, \
     name, version, payload, metadata FROM events \
     WHERE (transaction, sequence) > ($1, $2) \
     AND transaction < (SELECT shift FROM event_epoch) \
       + pg_snapshot_xmin(pg_current_snapshot())::text::bigint \
     ORDER BY transaction, sequence LIMIT $3";

/// All events of one stream, oldest first.
pub(crate) const STREAM: &str = "SELECT event_id, tenant_id, kind, stream_id, revision, transaction, sequence, \
     name, version, payload, metadata FROM events \
     WHERE tenant_id = $1 AND kind = $2 AND stream_id = $3 ORDER BY revision";

/// One event by its id.
pub(crate) const EVENT: &str = "SELECT event_id, tenant_id, kind, stream_id, revision, transaction, sequence, \
     name, version, payload, metadata FROM events WHERE event_id = $1";
