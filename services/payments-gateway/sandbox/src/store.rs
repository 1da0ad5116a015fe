//! The books: statements and transactions of the sandbox.
//!
//! A new payment is one statement (key, payment and webhooks together); a change locks the
//! payment's row, applies a rule and writes payment and webhooks in one commit. Nothing is sent
//! here: sending is the deliverer's, from the table, so that a crash loses no webhook.

use fault::Fault;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::types::Json;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::payment::Payment;
use crate::refusal::Refusal;
use crate::webhook::Outgoing;

const INSERT: &str = "WITH claimed AS ( \
      INSERT INTO idempotency_keys (key, body_hash, payment_id, at) VALUES ($1, $2, $3, $4) \
      ON CONFLICT DO NOTHING RETURNING payment_id), \
    paid AS ( \
      INSERT INTO payments (payment_id, reference, document) \
      SELECT payment_id, $5, $6 FROM claimed), \
    sent AS ( \
      INSERT INTO deliveries (delivery_id, event_id, payment_id, body, due_at) \
      SELECT d.delivery_id, d.event_id, claimed.payment_id, d.body, d.due_at FROM claimed, \
        unnest($7::uuid[], $8::text[], $9::text[], $10::timestamptz[]) AS d(delivery_id, event_id, body, due_at)) \
    SELECT count(*) FROM claimed";

const DELIVER: &str = "INSERT INTO deliveries (delivery_id, event_id, payment_id, body, due_at) \
    SELECT d.delivery_id, d.event_id, $1, d.body, d.due_at FROM \
      unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[]) AS d(delivery_id, event_id, body, due_at)";

/// A request that may be repeated: its key and what its body hashes to.
#[derive(Debug, Clone)]
pub struct Key {
    /// Route and key, so that a key used for two routes is two keys.
    pub key: String,
    /// SHA-256 of the body.
    pub body_hash: Vec<u8>,
}

/// Writes a new payment; answers the one that was made before with the same key, if one was.
pub async fn insert(
    pool: &PgPool,
    key: &Key,
    payment: &Payment,
    webhooks: &[Outgoing],
    now: Timestamp,
) -> Result<Option<Payment>, Refusal> {
    let columns = Columns::of(webhooks);
    let claimed: i64 = sqlx::query_scalar(INSERT)
        .bind(&key.key)
        .bind(&key.body_hash)
        .bind(&payment.id)
        .bind(now.to_sqlx())
        .bind(&payment.reference)
        .bind(Json(payment))
        .bind(columns.delivery_ids)
        .bind(columns.event_ids)
        .bind(columns.bodies)
        .bind(columns.due)
        .fetch_one(pool)
        .await
        .map_err(storage_refusal)?;
    if claimed == 1 {
        return Ok(None);
    }
    let mut connection = pool.acquire().await.map_err(storage_refusal)?;
    let earlier = repeated(&mut connection, key).await?;
    read(&mut connection, &earlier).await.map(Some)
}

/// Takes a key within a transaction; answers whether it is new.
pub async fn claim(
    connection: &mut PgConnection,
    key: &Key,
    payment_id: &str,
    now: Timestamp,
) -> Result<bool, Refusal> {
    let taken = sqlx::query(
        "INSERT INTO idempotency_keys (key, body_hash, payment_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(&key.key)
    .bind(&key.body_hash)
    .bind(payment_id)
    .bind(now.to_sqlx())
    .execute(&mut *connection)
    .await
    .map_err(storage_refusal)?;
    if taken.rows_affected() == 1 {
        return Ok(true);
    }
    repeated(connection, key).await.map(|_| false)
}

async fn repeated(connection: &mut PgConnection, key: &Key) -> Result<String, Refusal> {
    let (body_hash, payment_id): (Vec<u8>, String) =
        sqlx::query_as("SELECT body_hash, payment_id FROM idempotency_keys WHERE key = $1")
            .bind(&key.key)
            .fetch_one(connection)
            .await
            .map_err(storage_refusal)?;
    if body_hash == key.body_hash {
        return Ok(payment_id);
    }
    Err(Refusal::new(422, "idempotency_key_reused", "The idempotency key was used with another body."))
}

/// Reads a payment.
pub async fn read(connection: &mut PgConnection, payment_id: &str) -> Result<Payment, Refusal> {
    fetch(connection, "SELECT document FROM payments WHERE payment_id = $1", payment_id).await
}

/// Reads a payment and holds it until the transaction ends.
pub async fn lock(connection: &mut PgConnection, payment_id: &str) -> Result<Payment, Refusal> {
    fetch(connection, "SELECT document FROM payments WHERE payment_id = $1 FOR UPDATE", payment_id).await
}

async fn fetch(
    connection: &mut PgConnection,
    statement: &'static str,
    payment_id: &str,
) -> Result<Payment, Refusal> {
    let found: Option<Json<Payment>> = sqlx::query_scalar(statement)
        .bind(payment_id)
        .fetch_optional(connection)
        .await
        .map_err(storage_refusal)?;
    found.map(|document| document.0).ok_or_else(Refusal::unknown)
}

/// Writes a changed payment and the webhooks that tell of it.
pub async fn update(
    connection: &mut PgConnection,
    payment: &Payment,
    webhooks: &[Outgoing],
) -> Result<(), Refusal> {
    sqlx::query("UPDATE payments SET document = $2 WHERE payment_id = $1")
        .bind(&payment.id)
        .bind(Json(payment))
        .execute(&mut *connection)
        .await
        .map_err(storage_refusal)?;
    let columns = Columns::of(webhooks);
    sqlx::query(DELIVER)
        .bind(&payment.id)
        .bind(columns.delivery_ids)
        .bind(columns.event_ids)
        .bind(columns.bodies)
        .bind(columns.due)
        .execute(connection)
        .await
        .map_err(storage_refusal)?;
    Ok(())
}

struct Columns<'a> {
    delivery_ids: Vec<Uuid>,
    event_ids: Vec<&'a str>,
    bodies: Vec<&'a str>,
    due: Vec<jiff_sqlx::Timestamp>,
}

impl<'a> Columns<'a> {
    fn of(webhooks: &'a [Outgoing]) -> Self {
        Self {
            delivery_ids: webhooks.iter().map(|webhook| webhook.delivery_id.as_uuid()).collect(),
            event_ids: webhooks.iter().map(|webhook| webhook.event_id.as_str()).collect(),
            bodies: webhooks.iter().map(|webhook| webhook.body.as_str()).collect(),
            due: webhooks.iter().map(|webhook| webhook.due_at.to_sqlx()).collect(),
        }
    }
}

/// Trouble with the database.
pub(crate) fn storage(error: sqlx::Error) -> Fault {
    Fault::unavailable("store_unavailable", error)
}

pub(crate) fn storage_refusal(error: sqlx::Error) -> Refusal {
    storage(error).into()
}
