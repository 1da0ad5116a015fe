//! Positions after a restore.
//!
//! A dump carries stored transaction ids, not the cluster's counter. Restored into a cluster whose
//! counter is behind, new events would sort before old ones and readers would not see the old ones
//! until the counter catches up. The stored id is therefore the counter plus a shift, and this
//! raises the shift when it must. It runs with every migration.

use sqlx::PgConnection;

use crate::storage;

/// Makes sure that whatever is appended from now on sorts after everything stored and that
/// everything stored can be read. Answers whether the shift had to be raised; a schema without
/// events is left alone.
///
/// Needs the rights of the tables' owner, and a connection whose `search_path` is the service's
/// schema. Writers wait while it runs.
///
/// # Errors
/// Faults of the database.
pub async fn repair_epoch(connection: &mut PgConnection) -> fault::Result<bool> {
    let present: bool = sqlx::query_scalar("SELECT to_regclass('events') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .map_err(storage)?;
    if !present {
        return Ok(false);
    }
    let mut transaction = sqlx::Connection::begin(connection).await.map_err(storage)?;
    // Writers that took an id under the old shift end before this lock is granted.
    // Row-level security would hide rows from an owner who is no superuser; rather fail loudly.
    sqlx::raw_sql("SET LOCAL row_security = off; LOCK TABLE events IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await
        .map_err(storage)?;
    // The horizon lies at or below the counter; the highest stored id must lie below both.
    let raised = sqlx::query(
        "UPDATE event_epoch SET shift = (SELECT max(transaction) FROM events) + 1 \
           - pg_snapshot_xmin(pg_current_snapshot())::text::bigint \
         WHERE (SELECT max(transaction) FROM events) \
           >= shift + pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
    )
    .execute(&mut *transaction)
    .await
    .map_err(storage)?;
    transaction.commit().await.map_err(storage)?;
    Ok(raised.rows_affected() > 0)
}
