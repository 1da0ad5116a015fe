//! The first events of several streams in one statement, for commands that are committed together.

use jiff_sqlx::ToSqlx as _;
use kernel::{Aggregate, Position, StoredEvent};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::append::{Target, refusal};
use crate::rows::position;
use crate::{CommandContext, Loaded, NewEvent};

const APPEND_NEW: &str = "INSERT INTO events (event_id, tenant_id, kind, stream_id, revision, transaction, \
     name, version, payload, metadata, at) \
     SELECT e.event_id, $1, $2, e.stream_id, e.revision, \
       (SELECT shift FROM event_epoch) + pg_current_xact_id()::text::bigint, \
       e.name, e.version, e.payload, e.metadata, e.at \
     FROM unnest($3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::smallint[], $8::jsonb[], $9::jsonb[], \
       $10::timestamptz[]) \
       WITH ORDINALITY AS e(event_id, stream_id, revision, name, version, payload, metadata, at, place) \
     ORDER BY e.place RETURNING transaction, sequence";

/// A stream that begins.
#[derive(Debug, Clone)]
pub struct NewStream<A: Aggregate> {
    /// In which circumstances; every stream has its own, all of one tenant.
    pub context: CommandContext,
    /// Its id.
    pub id: Uuid,
    /// What happened, at least one.
    pub events: Vec<A::Event>,
}

/// Appends the first events of `streams`; answers each aggregate with the position of its last one.
pub(crate) async fn append_new<A: Aggregate>(
    connection: &mut PgConnection,
    streams: &[NewStream<A>],
) -> fault::Result<Vec<(Loaded<A>, Position)>> {
    let Some(first) = streams.first() else { return Ok(Vec::new()) };
    if streams.iter().any(|stream| stream.context.tenant != first.context.tenant) {
        return Err(fault::Fault::internal("streams of several tenants in one statement"));
    }
    let stored: Vec<_> = streams.iter().flat_map(unplaced).collect();
    let placed: Vec<(i64, i64)> = sqlx::query_as(APPEND_NEW)
        .bind(first.context.tenant.as_uuid())
        .bind(A::KIND)
        .bind(stored.iter().map(|event| event.event_id.as_uuid()).collect::<Vec<_>>())
        .bind(stored.iter().map(|event| event.stream).collect::<Vec<_>>())
        .bind(stored.iter().map(|event| event.revision).collect::<Vec<_>>())
        .bind(stored.iter().map(|event| event.name.as_str()).collect::<Vec<_>>())
        .bind(stored.iter().map(|event| event.version.cast_signed()).collect::<Vec<_>>())
        .bind(stored.iter().map(|event| Json(&event.payload)).collect::<Vec<_>>())
        .bind(stored.iter().map(|event| Json(&event.metadata)).collect::<Vec<_>>())
        .bind(stored.iter().map(|event| event.metadata.at.to_sqlx()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(refusal)?;
    let mut placed = placed.into_iter().map(|(transaction, sequence)| position(transaction, sequence));
    Ok(streams.iter().map(|stream| begun(stream, &mut placed)).collect())
}

fn unplaced<A: Aggregate>(stream: &NewStream<A>) -> Vec<StoredEvent> {
    let target = Target { context: &stream.context, kind: A::KIND, stream: stream.id };
    target.unplaced(0, stream.events.iter().map(NewEvent::of).collect())
}

/// The aggregate after its first events, which take their positions in order.
fn begun<A: Aggregate>(
    stream: &NewStream<A>,
    placed: &mut impl Iterator<Item = Position>,
) -> (Loaded<A>, Position) {
    let last = placed.take(stream.events.len()).last().unwrap_or_default();
    let revision = i64::try_from(stream.events.len()).unwrap_or(i64::MAX);
    (Loaded { id: stream.id, state: A::replay(&stream.events), revision }, last)
}
