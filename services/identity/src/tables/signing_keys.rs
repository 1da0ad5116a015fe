//! `signing_keys`. Only the worker role may touch the table, so every function here wants the
//! connection of a worker transaction.

use eventstore::storage;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

/// A key as it is kept.
#[derive(Clone)]
pub struct SigningKeyRow {
    /// Key id.
    pub key_id: String,
    /// Public half, base64url.
    pub public_key: String,
    /// Private half, sealed for the key id.
    pub sealed_seed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stopped signing.
    pub retired_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Columns {
    key_id: String,
    public_key: String,
    sealed_seed: Vec<u8>,
    created_at: jiff_sqlx::Timestamp,
    retired_at: Option<jiff_sqlx::Timestamp>,
}

/// One process at a time makes or retires keys.
///
/// # Errors
/// Faults of the database.
pub async fn lock(on: &mut PgConnection) -> fault::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('identity.signing_keys', 0))")
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

/// The keys that sign or still verify: the current one and those retired after `retired_after`,
/// newest first.
///
/// # Errors
/// Faults of the database.
pub async fn usable(on: &mut PgConnection, retired_after: Timestamp) -> fault::Result<Vec<SigningKeyRow>> {
    let rows: Vec<Columns> = sqlx::query_as(
        "SELECT key_id, public_key, sealed_seed, created_at, retired_at FROM signing_keys \
         WHERE retired_at IS NULL OR retired_at > $1 ORDER BY retired_at DESC NULLS FIRST",
    )
    .bind(retired_after.to_sqlx())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    Ok(rows.into_iter().map(SigningKeyRow::from).collect())
}

/// Retires the current key and adds `key` in its place.
///
/// # Errors
/// Faults of the database.
pub async fn replace(on: &mut PgConnection, key: &SigningKeyRow, created_by: &str) -> fault::Result<()> {
    sqlx::query("UPDATE signing_keys SET retired_at = $1 WHERE retired_at IS NULL")
        .bind(key.created_at.to_sqlx())
        .execute(&mut *on)
        .await
        .map_err(storage)?;
    sqlx::query(
        "INSERT INTO signing_keys (key_id, public_key, sealed_seed, created_at, created_by) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&key.key_id)
    .bind(&key.public_key)
    .bind(&key.sealed_seed)
    .bind(key.created_at.to_sqlx())
    .bind(created_by)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Removes keys retired before `before`.
///
/// # Errors
/// Faults of the database.
pub async fn sweep(on: &mut PgConnection, before: Timestamp) -> fault::Result<u64> {
    let done = sqlx::query("DELETE FROM signing_keys WHERE retired_at < $1")
        .bind(before.to_sqlx())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(done.rows_affected())
}

impl From<Columns> for SigningKeyRow {
    fn from(row: Columns) -> Self {
        Self {
            key_id: row.key_id,
            public_key: row.public_key,
            sealed_seed: row.sealed_seed,
            created_at: row.created_at.to_jiff(),
            retired_at: row.retired_at.map(|at| at.to_jiff()),
        }
    }
}
