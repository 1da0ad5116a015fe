//! Beginning a transaction whole, even when the caller goes away.
//!
//! A caller may be dropped at every await: its client hung up, its time was over. Dropped between
//! sending BEGIN and reading the answer, sqlx does not know that there is a transaction, and the
//! connection would go back to the pool inside of it: with the tenant of another, with the rights
//! of the worker, or read-only. So BEGIN runs to its end in a task of its own; a transaction that
//! nobody takes from it is rolled back.

use sqlx::{PgPool, Postgres, SqlSafeStr, Transaction};

/// Begins a transaction by `statement`, which may set more than BEGIN does.
///
/// # Errors
/// As for [`PgPool::begin_with`].
pub async fn begin_whole(
    pool: &PgPool,
    statement: impl SqlSafeStr,
) -> sqlx::Result<Transaction<'static, Postgres>> {
    let (pool, statement) = (pool.clone(), statement.into_sql_str());
    let beginning = async move { pool.begin_with(statement).await };
    #[allow(clippy::disallowed_methods, reason = "ends with its one statement; nobody needs to watch it")]
    let begun = tokio::spawn(beginning).await;
    begun.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}
