//! `log_in_challenges`.

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::tables::{done, done_once};

/// A log-in whose second half is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Which.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// How the first half was proven.
    pub methods: Vec<String>,
    /// Wrong answers so far.
    pub failures: i32,
    /// Until when it may be answered.
    pub expires_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    challenge_id: Uuid,
    user_id: Uuid,
    methods: Vec<String>,
    failures: i32,
    expires_at: jiff_sqlx::Timestamp,
}

/// Adds a challenge.
///
/// # Errors
/// Faults of the database.
pub async fn insert(
    on: &mut PgConnection,
    tenant: TenantId,
    challenge: &Challenge,
    digest: &[u8; 32],
    at: Timestamp,
) -> fault::Result<()> {
    let statement = sqlx::query(
        "INSERT INTO log_in_challenges \
         (tenant_id, challenge_id, user_id, token_digest, methods, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(tenant.as_uuid())
    .bind(challenge.id)
    .bind(challenge.user.as_uuid())
    .bind(digest.as_slice())
    .bind(&challenge.methods)
    .bind(at.to_sqlx())
    .bind(challenge.expires_at.to_sqlx());
    done(on, statement).await.map(drop)
}

/// The challenge whose token has this digest.
///
/// # Errors
/// Faults of the database.
pub async fn find(
    on: &mut PgConnection,
    tenant: TenantId,
    digest: &[u8; 32],
) -> fault::Result<Option<Challenge>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT challenge_id, user_id, methods, failures, expires_at FROM log_in_challenges \
         WHERE tenant_id = $1 AND token_digest = $2",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(|row| Challenge {
        id: row.challenge_id,
        user: UserId::from_uuid(row.user_id),
        methods: row.methods,
        failures: row.failures,
        expires_at: row.expires_at.to_jiff(),
    }))
}

/// Takes a challenge away; `false` when somebody else did. Of several answers exactly one takes it.
///
/// # Errors
/// Faults of the database.
pub async fn take(on: &mut PgConnection, tenant: TenantId, challenge: Uuid) -> fault::Result<bool> {
    let statement = sqlx::query("DELETE FROM log_in_challenges WHERE tenant_id = $1 AND challenge_id = $2")
        .bind(tenant.as_uuid())
        .bind(challenge);
    done_once(on, statement).await
}

/// Counts a wrong answer.
///
/// # Errors
/// Faults of the database.
pub async fn count_failure(on: &mut PgConnection, tenant: TenantId, challenge: Uuid) -> fault::Result<()> {
    let statement = sqlx::query(
        "UPDATE log_in_challenges SET failures = failures + 1 WHERE tenant_id = $1 AND challenge_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(challenge);
    done(on, statement).await.map(drop)
}

/// Removes every challenge of a user: what its first half rested on has changed.
///
/// # Errors
/// Faults of the database.
pub async fn remove_all(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<()> {
    let statement = sqlx::query("DELETE FROM log_in_challenges WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid());
    done(on, statement).await.map(drop)
}

/// Removes what expired before `before`. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn sweep(on: &mut PgConnection, before: Timestamp) -> fault::Result<u64> {
    let statement = sqlx::query("DELETE FROM log_in_challenges WHERE expires_at < $1").bind(before.to_sqlx());
    done(on, statement).await
}
