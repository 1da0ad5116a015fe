//! `declared_permissions`. Of the whole fleet, so every function wants a worker transaction.

use eventstore::storage;
use sqlx::PgConnection;

/// A permission that exists: its name, who declares it, what it is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub struct Declared {
    /// `resource.action`.
    pub permission: String,
    /// The service or plugin that declares it.
    pub source: String,
    /// What it is for.
    pub description: String,
}

/// Everything that was declared.
///
/// # Errors
/// Faults of the database.
pub async fn all(on: &mut PgConnection) -> fault::Result<Vec<Declared>> {
    sqlx::query_as("SELECT permission, source, description FROM declared_permissions")
        .fetch_all(on)
        .await
        .map_err(storage)
}

/// Replaces what a source declares.
///
/// # Errors
/// Faults of the database.
pub async fn replace(on: &mut PgConnection, source: &str, declared: &[Declared]) -> fault::Result<()> {
    sqlx::query("DELETE FROM declared_permissions WHERE source = $1")
        .bind(source)
        .execute(&mut *on)
        .await
        .map_err(storage)?;
    let names: Vec<_> = declared.iter().map(|one| one.permission.as_str()).collect();
    let texts: Vec<_> = declared.iter().map(|one| one.description.as_str()).collect();
    sqlx::query(
        "INSERT INTO declared_permissions (source, permission, description) \
         SELECT $1, permission, description FROM unnest($2::text[], $3::text[]) AS t(permission, description) \
         ON CONFLICT DO NOTHING",
    )
    .bind(source)
    .bind(names)
    .bind(texts)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}
