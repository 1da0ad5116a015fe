//! How far a reader of the log has come, by name: the table `cursors`.

use kernel::Position;
use sqlx::PgConnection;

use crate::rows::{columns, position};
use crate::storage;

/// Reads a cursor; one that was never saved stands at the start.
pub(crate) async fn cursor(connection: &mut PgConnection, name: &str) -> fault::Result<Position> {
    let found: Option<(i64, i64)> =
        sqlx::query_as("SELECT transaction, sequence FROM cursors WHERE name = $1")
            .bind(name)
            .fetch_optional(connection)
            .await
            .map_err(storage)?;
    Ok(found.map_or(Position::START, |(transaction, sequence)| position(transaction, sequence)))
}

/// Saves a cursor, in the transaction of the connection if there is one.
///
/// # Errors
/// Faults of the database.
pub async fn save_cursor(connection: &mut PgConnection, name: &str, at: Position) -> fault::Result<()> {
    let (transaction, sequence) = columns(at);
    sqlx::query(
        "INSERT INTO cursors (name, transaction, sequence, updated_at) VALUES ($1, $2, $3, now()) \
         ON CONFLICT (name) DO UPDATE SET transaction = excluded.transaction, \
         sequence = excluded.sequence, updated_at = excluded.updated_at",
    )
    .bind(name)
    .bind(transaction)
    .bind(sequence)
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}
