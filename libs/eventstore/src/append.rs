//! The two statements that write facts.
//!
//! Both take the position inside the statement: the transaction id (plus the epoch's shift) and
//! the next sequence number, so that nothing can write an event under an older transaction.

use ids::EventId;
use jiff_sqlx::ToSqlx as _;
use kernel::{Metadata, Position, StoredEvent};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::error::stale;
use crate::rows::position;
use crate::{CommandContext, NewEvent, storage};

const APPEND: &str = "INSERT INTO events (event_id, tenant_id, kind, stream_id, revision, transaction, \
     name, version, payload, metadata, at) \
     SELECT e.event_id, $1, $2, $3, e.revision, \
       (SELECT shift FROM event_epoch) + pg_current_xact_id()::text::bigint, \
       e.name, e.version, e.payload, $4, $5 \
     FROM unnest($6::uuid[], $7::bigint[], $8::text[], $9::smallint[], $10::jsonb[]) \
       WITH ORDINALITY AS e(event_id, revision, name, version, payload, place) \
     ORDER BY e.place RETURNING revision, transaction, sequence";

const APPEND_FACT: &str = "WITH next AS ( \
       INSERT INTO streams (tenant_id, kind, stream_id, revision) VALUES ($1, $2, $3, 1) \
       ON CONFLICT (tenant_id, kind, stream_id) DO UPDATE SET revision = streams.revision + 1 \
       RETURNING revision) \
     INSERT INTO events (event_id, tenant_id, kind, stream_id, revision, transaction, \
     name, version, payload, metadata, at) \
     SELECT $6, $1, $2, $3, next.revision, \
       (SELECT shift FROM event_epoch) + pg_current_xact_id()::text::bigint, \
       $7, $8, $9, $4, $5 FROM next RETURNING revision, transaction, sequence";

type Placed = (i64, i64, i64);

/// Where events go: a stream of the context's tenant.
pub(crate) struct Target<'a> {
    pub context: &'a CommandContext,
    pub kind: &'a str,
    pub stream: Uuid,
}

/// Appends `events` behind revision `expected`.
///
/// # Errors
/// `StaleRevision` if the stream has moved on.
pub(crate) async fn append(
    connection: &mut PgConnection,
    target: &Target<'_>,
    expected: i64,
    events: Vec<NewEvent>,
) -> fault::Result<Vec<StoredEvent>> {
    let mut stored = target.unplaced(expected, events);
    let ids: Vec<_> = stored.iter().map(|event| event.event_id.as_uuid()).collect();
    let revisions: Vec<_> = stored.iter().map(|event| event.revision).collect();
    let names: Vec<_> = stored.iter().map(|event| event.name.as_str()).collect();
    let versions: Vec<_> = stored.iter().map(|event| event.version.cast_signed()).collect();
    let payloads: Vec<_> = stored.iter().map(|event| Json(&event.payload)).collect();
    let placed: Vec<Placed> = sqlx::query_as(APPEND)
        .bind(target.context.tenant.as_uuid())
        .bind(target.kind)
        .bind(target.stream)
        .bind(Json(target.context.metadata()))
        .bind(target.context.at.to_sqlx())
        .bind(ids)
        .bind(revisions)
        .bind(names)
        .bind(versions)
        .bind(payloads)
        .fetch_all(connection)
        .await
        .map_err(refusal)?;
    for (event, (_, transaction, sequence)) in stored.iter_mut().zip(placed) {
        event.position = position(transaction, sequence);
    }
    Ok(stored)
}

/// Appends one fact at the next revision, whatever that is; the stream's row stays locked until
/// the transaction ends.
pub(crate) async fn append_fact(
    connection: &mut PgConnection,
    target: &Target<'_>,
    event: NewEvent,
) -> fault::Result<StoredEvent> {
    let mut stored = target.place(0, event, &target.context.metadata());
    let (revision, transaction, sequence): Placed = sqlx::query_as(APPEND_FACT)
        .bind(target.context.tenant.as_uuid())
        .bind(target.kind)
        .bind(target.stream)
        .bind(Json(&stored.metadata))
        .bind(target.context.at.to_sqlx())
        .bind(stored.event_id.as_uuid())
        .bind(&stored.name)
        .bind(stored.version.cast_signed())
        .bind(Json(&stored.payload))
        .fetch_one(connection)
        .await
        .map_err(refusal)?;
    stored.revision = revision;
    stored.position = position(transaction, sequence);
    Ok(stored)
}

impl Target<'_> {
    /// The events as they will be stored, but for their positions.
    pub(crate) fn unplaced(&self, expected: i64, events: Vec<NewEvent>) -> Vec<StoredEvent> {
        let metadata = self.context.metadata();
        (1..).zip(events).map(|(step, event)| self.place(expected + step, event, &metadata)).collect()
    }

    /// The event as it will be stored, but for its position.
    fn place(&self, revision: i64, event: NewEvent, metadata: &Metadata) -> StoredEvent {
        let NewEvent { name, version, payload } = event;
        StoredEvent {
            event_id: EventId::new(),
            tenant: self.context.tenant,
            kind: self.kind.to_owned(),
            stream: self.stream,
            revision,
            position: Position::START,
            name,
            version,
            payload,
            metadata: metadata.clone(),
        }
    }
}

pub(crate) fn refusal(error: sqlx::Error) -> fault::Fault {
    let taken = error.as_database_error().is_some_and(|e| e.constraint() == Some("events_pkey"));
    if taken { stale().with_source(error) } else { storage(error) }
}
