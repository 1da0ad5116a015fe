//! `passkeys` and `passkey_ceremonies`.

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::tables::{done, done_once};

/// A passkey.
#[derive(Debug, Clone, PartialEq)]
pub struct Passkey {
    /// Which.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// Public key and flags.
    pub credential: Value,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct Row {
    passkey_id: Uuid,
    user_id: Uuid,
    credential: Json<Value>,
    name: String,
    created_at: jiff_sqlx::Timestamp,
    last_used_at: Option<jiff_sqlx::Timestamp>,
}

impl From<Row> for Passkey {
    fn from(row: Row) -> Self {
        Self {
            id: row.passkey_id,
            user: UserId::from_uuid(row.user_id),
            credential: row.credential.0,
            name: row.name,
            created_at: row.created_at.to_jiff(),
            last_used_at: row.last_used_at.map(|at| at.to_jiff()),
        }
    }
}

/// The passkeys of a user, the oldest first.
///
/// # Errors
/// Faults of the database.
pub async fn of(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<Vec<Passkey>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT passkey_id, user_id, credential, name, created_at, last_used_at FROM passkeys \
         WHERE tenant_id = $1 AND user_id = $2 ORDER BY passkey_id",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    Ok(rows.into_iter().map(Passkey::from).collect())
}

/// The passkey with this credential id.
///
/// # Errors
/// Faults of the database.
pub async fn find(
    on: &mut PgConnection,
    tenant: TenantId,
    credential_id: &[u8],
) -> fault::Result<Option<Passkey>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT passkey_id, user_id, credential, name, created_at, last_used_at FROM passkeys \
         WHERE tenant_id = $1 AND credential_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(credential_id)
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(Passkey::from))
}

/// Keeps a passkey; `false` when somebody has one with this credential id.
///
/// # Errors
/// Faults of the database.
pub async fn insert(
    on: &mut PgConnection,
    tenant: TenantId,
    passkey: &Passkey,
    credential_id: &[u8],
) -> fault::Result<bool> {
    let statement = sqlx::query(
        "INSERT INTO passkeys (tenant_id, passkey_id, user_id, credential_id, credential, counter, name, created_at) \
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(passkey.id)
    .bind(passkey.user.as_uuid())
    .bind(credential_id)
    .bind(Json(&passkey.credential))
    .bind(&passkey.name)
    .bind(passkey.created_at.to_sqlx());
    done_once(on, statement).await
}

/// Notes a use with this counter; `false` when the counter has not risen, which only authenticators that
/// count nothing (zero) may do. The row's lock decides between parallel uses.
///
/// # Errors
/// Faults of the database.
pub async fn use_counter(
    on: &mut PgConnection,
    tenant: TenantId,
    passkey: &Passkey,
    counter: u32,
    at: Timestamp,
) -> fault::Result<bool> {
    let statement = sqlx::query(
        "UPDATE passkeys SET counter = $3, credential = $4, last_used_at = $5 \
         WHERE tenant_id = $1 AND passkey_id = $2 AND (counter < $3 OR (counter = 0 AND $3 = 0))",
    )
    .bind(tenant.as_uuid())
    .bind(passkey.id)
    .bind(i64::from(counter))
    .bind(Json(&passkey.credential))
    .bind(at.to_sqlx());
    done_once(on, statement).await
}

/// Gives a passkey of a user another name; `false` when there is none.
///
/// # Errors
/// Faults of the database.
pub async fn rename(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    passkey: Uuid,
    name: &str,
) -> fault::Result<bool> {
    let statement = sqlx::query(
        "UPDATE passkeys SET name = $4 WHERE tenant_id = $1 AND user_id = $2 AND passkey_id = $3",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(passkey)
    .bind(name);
    done_once(on, statement).await
}

/// Forgets passkeys of a user: one, or all of them. Answers how many.
///
/// # Errors
/// Faults of the database.
pub async fn remove(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    passkey: Option<Uuid>,
) -> fault::Result<u64> {
    let statement = sqlx::query(
        "DELETE FROM passkeys WHERE tenant_id = $1 AND user_id = $2 AND ($3::uuid IS NULL OR passkey_id = $3)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(passkey);
    done(on, statement).await
}

/// Adds a ceremony, of a user where it is known who it is about.
///
/// # Errors
/// Faults of the database.
pub async fn begin(
    on: &mut PgConnection,
    tenant: TenantId,
    digest: &[u8; 32],
    (user, state): (Option<UserId>, &Value),
    (at, expires_at): (Timestamp, Timestamp),
) -> fault::Result<()> {
    let statement = sqlx::query(
        "INSERT INTO passkey_ceremonies (tenant_id, token_digest, user_id, state, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .bind(user.map(UserId::as_uuid))
    .bind(Json(state))
    .bind(at.to_sqlx())
    .bind(expires_at.to_sqlx());
    done(on, statement).await.map(drop)
}

/// Takes a ceremony that is not too old: of several answers to one challenge exactly one gets it.
///
/// # Errors
/// Faults of the database.
pub async fn take(
    on: &mut PgConnection,
    tenant: TenantId,
    digest: &[u8; 32],
    at: Timestamp,
) -> fault::Result<Option<(Option<UserId>, Value)>> {
    let row: Option<(Option<Uuid>, Json<Value>, jiff_sqlx::Timestamp)> = sqlx::query_as(
        "DELETE FROM passkey_ceremonies WHERE tenant_id = $1 AND token_digest = $2 \
         RETURNING user_id, state, expires_at",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    let in_time = row.filter(|(_, _, expires_at)| at < expires_at.to_jiff());
    Ok(in_time.map(|(user, state, _)| (user.map(UserId::from_uuid), state.0)))
}

/// Removes ceremonies that expired before `before`. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn sweep(on: &mut PgConnection, before: Timestamp) -> fault::Result<u64> {
    let statement =
        sqlx::query("DELETE FROM passkey_ceremonies WHERE expires_at < $1").bind(before.to_sqlx());
    done(on, statement).await
}
