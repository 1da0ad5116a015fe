//! `login_guards`.

use eventstore::storage;
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

use crate::rules::lockout::Guard;

#[derive(sqlx::FromRow)]
struct GuardRow {
    failures: i32,
    window_started_at: jiff_sqlx::Timestamp,
    locks: i32,
    locked_until: Option<jiff_sqlx::Timestamp>,
    last_failed_at: jiff_sqlx::Timestamp,
}

impl From<GuardRow> for Guard {
    fn from(row: GuardRow) -> Self {
        Self {
            failures: row.failures.cast_unsigned(),
            window_started_at: row.window_started_at.to_jiff(),
            locks: row.locks.cast_unsigned(),
            locked_until: row.locked_until.map(|until| until.to_jiff()),
            last_failed_at: row.last_failed_at.to_jiff(),
        }
    }
}

/// What is remembered about an address, without a lock.
///
/// # Errors
/// Faults of the database.
pub async fn look(
    on: &mut PgConnection,
    tenant: TenantId,
    digest: &[u8; 32],
) -> fault::Result<Option<Guard>> {
    let row: Option<GuardRow> = sqlx::query_as(
        "SELECT failures, window_started_at, locks, locked_until, last_failed_at FROM login_guards \
         WHERE tenant_id = $1 AND address_digest = $2",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(Guard::from))
}

/// What is remembered about an address, under the lock that serialises its outcomes. A missing row
/// is made, so that there is something to lock.
///
/// # Errors
/// Faults of the database.
pub async fn hold(
    on: &mut PgConnection,
    tenant: TenantId,
    digest: &[u8; 32],
    at: Timestamp,
) -> fault::Result<Guard> {
    let row: GuardRow = sqlx::query_as(
        "INSERT INTO login_guards AS g \
         (tenant_id, address_digest, failures, window_started_at, locks, last_failed_at) \
         VALUES ($1, $2, 0, $3, 0, $3) \
         ON CONFLICT (tenant_id, address_digest) DO UPDATE SET failures = g.failures \
         RETURNING failures, window_started_at, locks, locked_until, last_failed_at",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .bind(at.to_sqlx())
    .fetch_one(on)
    .await
    .map_err(storage)?;
    Ok(Guard::from(row))
}

/// Keeps what is to be remembered.
///
/// # Errors
/// Faults of the database.
pub async fn save(
    on: &mut PgConnection,
    tenant: TenantId,
    digest: &[u8; 32],
    guard: &Guard,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE login_guards SET failures = $3, window_started_at = $4, locks = $5, locked_until = $6, \
         last_failed_at = $7 WHERE tenant_id = $1 AND address_digest = $2",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .bind(guard.failures.cast_signed())
    .bind(guard.window_started_at.to_sqlx())
    .bind(guard.locks.cast_signed())
    .bind(guard.locked_until.map(|until| until.to_sqlx()))
    .bind(guard.last_failed_at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Forgets an address, unless it is locked at `at`; answers the guard that stands in the way.
///
/// # Errors
/// Faults of the database.
pub async fn forgive(
    on: &mut PgConnection,
    tenant: TenantId,
    digest: &[u8; 32],
    at: Timestamp,
) -> fault::Result<Option<Guard>> {
    sqlx::query(
        "DELETE FROM login_guards WHERE tenant_id = $1 AND address_digest = $2 \
         AND (locked_until IS NULL OR locked_until <= $3)",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .bind(at.to_sqlx())
    .execute(&mut *on)
    .await
    .map_err(storage)?;
    let standing = look(on, tenant, digest).await?;
    Ok(standing.filter(|guard| guard.locked_for_seconds(at).is_some()))
}

/// Forgets an address, locked or not: whoever reads its letters is no guesser.
///
/// # Errors
/// Faults of the database.
pub async fn forget(on: &mut PgConnection, tenant: TenantId, digest: &[u8; 32]) -> fault::Result<()> {
    sqlx::query("DELETE FROM login_guards WHERE tenant_id = $1 AND address_digest = $2")
        .bind(tenant.as_uuid())
        .bind(digest.as_slice())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

/// Removes what is older than `before`. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn sweep(on: &mut PgConnection, before: Timestamp) -> fault::Result<u64> {
    let done = sqlx::query(
        "DELETE FROM login_guards WHERE last_failed_at < $1 AND (locked_until IS NULL OR locked_until < $1)",
    )
    .bind(before.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected())
}
