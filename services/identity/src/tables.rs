//! The tables, one file each: plain SQL, one function per statement, no rule.
//!
//! Every function takes the connection of a transaction that was begun for a tenant (or as the
//! worker) and names the tenant in its WHERE clause all the same: row-level security is the second
//! wall, not the first.

pub mod api_keys;
pub mod challenges;
pub mod details;
pub mod factors;
pub mod guards;
pub mod host_claims;
pub mod letters;
pub mod levels;
pub mod passkeys;
pub mod permissions;
pub mod persons;
pub mod platform;
pub mod providers;
pub mod refresh_tokens;
pub mod roles;
pub mod routing;
pub mod search;
pub mod sessions;
pub mod signing_keys;
pub mod sources;
pub mod tenant_search;
pub mod tenants;
pub mod tickets;
pub mod users;

use eventstore::storage;
use sqlx::postgres::PgArguments;
use sqlx::{PgConnection, Postgres};

/// A statement with its values.
type Statement<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// Runs a statement; answers how many rows it has changed.
async fn done(on: &mut PgConnection, statement: Statement<'_>) -> fault::Result<u64> {
    statement.execute(on).await.map(|done| done.rows_affected()).map_err(storage)
}

/// Runs a statement that demands something of the row it changes; `false` when no row is like that. The row's
/// lock makes of several such calls at once exactly one that changes it.
async fn done_once(on: &mut PgConnection, statement: Statement<'_>) -> fault::Result<bool> {
    Ok(done(on, statement).await? == 1)
}
