//! Events that could not be handled, kept for an operator to see and to replay.

use ids::{EventId, TenantId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::storage;

/// An event that a consumer or reactor gave up.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Its own id.
    pub id: Uuid,
    /// Whose event it is.
    pub tenant: TenantId,
    /// Who gave it up.
    pub consumer: String,
    /// The event.
    pub event_id: EventId,
    /// Where it came from: a subject, or kind and stream.
    pub subject: String,
    /// The whole event, enough to replay it.
    pub payload: Value,
    /// Why, with causes.
    pub error: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was given up.
    pub at: Timestamp,
    /// When a replay succeeded.
    pub replayed_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    tenant_id: Uuid,
    consumer: String,
    event_id: Uuid,
    subject: String,
    payload: Value,
    error: String,
    attempts: i32,
    at: jiff_sqlx::Timestamp,
    replayed_at: Option<jiff_sqlx::Timestamp>,
}

impl From<Row> for DeadLetter {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            tenant: TenantId::from_uuid(row.tenant_id),
            consumer: row.consumer,
            event_id: EventId::from_uuid(row.event_id),
            subject: row.subject,
            payload: row.payload,
            error: row.error,
            attempts: row.attempts,
            at: row.at.to_jiff(),
            replayed_at: row.replayed_at.map(jiff_sqlx::Timestamp::to_jiff),
        }
    }
}

/// Keeps a dead letter; the same event of the same consumer is kept once, with the last error.
///
/// # Errors
/// Faults of the database.
pub async fn record_dead_letter(connection: &mut PgConnection, letter: &DeadLetter) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO dead_letters (id, tenant_id, consumer, event_id, subject, payload, error, attempts, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (consumer, event_id) DO UPDATE SET error = excluded.error, \
         attempts = dead_letters.attempts + excluded.attempts, at = excluded.at, replayed_at = NULL",
    )
    .bind(letter.id)
    .bind(letter.tenant.as_uuid())
    .bind(&letter.consumer)
    .bind(letter.event_id.as_uuid())
    .bind(&letter.subject)
    .bind(&letter.payload)
    .bind(&letter.error)
    .bind(letter.attempts)
    .bind(letter.at.to_sqlx())
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The oldest dead letters that were not replayed, of one consumer or of all.
///
/// # Errors
/// Faults of the database.
pub async fn open_dead_letters(
    connection: &mut PgConnection,
    consumer: Option<&str>,
    limit: i64,
) -> fault::Result<Vec<DeadLetter>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, tenant_id, consumer, event_id, subject, payload, error, attempts, at, replayed_at \
         FROM dead_letters WHERE replayed_at IS NULL AND ($1::text IS NULL OR consumer = $1) \
         ORDER BY at, id LIMIT $2",
    )
    .bind(consumer)
    .bind(limit)
    .fetch_all(connection)
    .await
    .map_err(storage)?;
    Ok(rows.into_iter().map(DeadLetter::from).collect())
}

/// A dead letter of a consumer, if it was not replayed yet.
///
/// # Errors
/// Faults of the database.
pub async fn open_dead_letter(
    connection: &mut PgConnection,
    consumer: &str,
    id: Uuid,
) -> fault::Result<Option<DeadLetter>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, tenant_id, consumer, event_id, subject, payload, error, attempts, at, replayed_at \
         FROM dead_letters WHERE id = $1 AND consumer = $2 AND replayed_at IS NULL",
    )
    .bind(id)
    .bind(consumer)
    .fetch_optional(connection)
    .await
    .map_err(storage)?;
    Ok(row.map(DeadLetter::from))
}

/// Notes that a replay succeeded; answers whether the letter was still open.
///
/// # Errors
/// Faults of the database.
pub async fn mark_replayed(connection: &mut PgConnection, id: Uuid, at: Timestamp) -> fault::Result<bool> {
    let done = sqlx::query("UPDATE dead_letters SET replayed_at = $2 WHERE id = $1 AND replayed_at IS NULL")
        .bind(id)
        .bind(at.to_sqlx())
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}
