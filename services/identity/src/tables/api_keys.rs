//! `api_keys`.

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

/// A key that was not revoked, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Which.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// What people call it.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// What it opens, as far as the owner holds it.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_origin: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    key_id: Uuid,
    user_id: Uuid,
    name: String,
    prefix: String,
    scopes: Vec<String>,
    created_at: jiff_sqlx::Timestamp,
    expires_at: jiff_sqlx::Timestamp,
    last_used_at: Option<jiff_sqlx::Timestamp>,
    last_origin_address: Option<String>,
}

impl From<Row> for ApiKey {
    fn from(row: Row) -> Self {
        Self {
            id: row.key_id,
            user: UserId::from_uuid(row.user_id),
            name: row.name,
            prefix: row.prefix,
            scopes: row.scopes,
            created_at: row.created_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            last_used_at: row.last_used_at.map(|at| at.to_jiff()),
            last_origin: row.last_origin_address,
        }
    }
}

/// Keeps a key.
///
/// # Errors
/// Faults of the database.
pub async fn insert(
    on: &mut PgConnection,
    tenant: TenantId,
    key: &ApiKey,
    digest: &[u8; 32],
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO api_keys (tenant_id, key_id, user_id, name, prefix, key_digest, scopes, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(tenant.as_uuid())
    .bind(key.id)
    .bind(key.user.as_uuid())
    .bind(&key.name)
    .bind(&key.prefix)
    .bind(digest.as_slice())
    .bind(&key.scopes)
    .bind(key.created_at.to_sqlx())
    .bind(key.expires_at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The keys of a user that were not revoked, the newest first.
///
/// # Errors
/// Faults of the database.
pub async fn of(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<Vec<ApiKey>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT key_id, user_id, name, prefix, scopes, created_at, expires_at, last_used_at, last_origin_address \
         FROM api_keys WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL ORDER BY key_id DESC",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}

/// The key with this digest, unless it was revoked.
///
/// # Errors
/// Faults of the database.
pub async fn find(on: &mut PgConnection, tenant: TenantId, digest: &[u8]) -> fault::Result<Option<ApiKey>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT key_id, user_id, name, prefix, scopes, created_at, expires_at, last_used_at, last_origin_address \
         FROM api_keys WHERE tenant_id = $1 AND key_digest = $2 AND revoked_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(digest)
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(ApiKey::from))
}

/// Notes that a key was used.
///
/// # Errors
/// Faults of the database.
pub async fn touch(
    on: &mut PgConnection,
    tenant: TenantId,
    key: Uuid,
    origin: Option<&str>,
    at: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE api_keys SET last_used_at = $3, last_origin_address = $4 WHERE tenant_id = $1 AND key_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(key)
    .bind(at.to_sqlx())
    .bind(origin)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Revokes a key of a user; `false` when there is none that could be.
///
/// # Errors
/// Faults of the database.
pub async fn revoke(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    key: Uuid,
    at: Timestamp,
) -> fault::Result<bool> {
    let done = sqlx::query(
        "UPDATE api_keys SET revoked_at = $4 WHERE tenant_id = $1 AND user_id = $2 AND key_id = $3 \
         AND revoked_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(key)
    .bind(at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

/// Removes every key of a user.
///
/// # Errors
/// Faults of the database.
pub async fn remove_all(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<()> {
    sqlx::query("DELETE FROM api_keys WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}
