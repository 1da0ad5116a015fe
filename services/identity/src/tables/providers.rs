//! `identity_providers`, `linked_identities` and `federated_attempts`.

use eventstore::storage;
use ids::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

/// A provider of OpenID Connect.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Provider {
    /// The word for it.
    pub provider: String,
    /// Name to show.
    pub name: String,
    /// What its tokens name.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub sealed_secret: Option<Vec<u8>>,
    /// Beside `openid`.
    pub scopes: Vec<String>,
    /// Whether it may be used.
    pub enabled: bool,
    /// Whether somebody unknown gets an account.
    pub registers: bool,
}

/// An account elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// Where.
    pub provider: String,
    /// Its address there.
    pub email: String,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

/// A log-in elsewhere that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Digest of what the browser holds.
    pub attempt_digest: Vec<u8>,
    /// Nonce and verifier, sealed.
    pub sealed: Vec<u8>,
    /// The session in which an account is to be linked.
    pub session: Option<SessionId>,
    /// Until when it may come back.
    pub expires_at: Timestamp,
}

/// Provider, address, when linked, when last used.
type LinkedRow = (String, String, jiff_sqlx::Timestamp, Option<jiff_sqlx::Timestamp>);
/// Digest, sealed, session, end.
type AttemptRow = (Vec<u8>, Vec<u8>, Option<Uuid>, jiff_sqlx::Timestamp);

const COLUMNS: &str = "provider, name, issuer, client_id, sealed_secret, scopes, enabled, registers";

/// The providers of a tenant.
///
/// # Errors
/// Faults of the database.
pub async fn all(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Vec<Provider>> {
    let query = format!("SELECT {COLUMNS} FROM identity_providers WHERE tenant_id = $1 ORDER BY provider");
    sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(tenant.as_uuid()).fetch_all(on).await.map_err(storage)
}

/// One provider.
///
/// # Errors
/// Faults of the database.
pub async fn find(
    on: &mut PgConnection,
    tenant: TenantId,
    provider: &str,
) -> fault::Result<Option<Provider>> {
    let query = format!("SELECT {COLUMNS} FROM identity_providers WHERE tenant_id = $1 AND provider = $2");
    sqlx::query_as(sqlx::AssertSqlSafe(query))
        .bind(tenant.as_uuid())
        .bind(provider)
        .fetch_optional(on)
        .await
        .map_err(storage)
}

/// Creates or replaces a provider.
///
/// # Errors
/// Faults of the database.
pub async fn put(on: &mut PgConnection, tenant: TenantId, provider: &Provider) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO identity_providers \
         (tenant_id, provider, name, issuer, client_id, sealed_secret, scopes, enabled, registers) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (tenant_id, provider) DO UPDATE SET \
         name = excluded.name, issuer = excluded.issuer, client_id = excluded.client_id, \
         sealed_secret = excluded.sealed_secret, scopes = excluded.scopes, enabled = excluded.enabled, \
         registers = excluded.registers",
    )
    .bind(tenant.as_uuid())
    .bind(&provider.provider)
    .bind(&provider.name)
    .bind(&provider.issuer)
    .bind(&provider.client_id)
    .bind(&provider.sealed_secret)
    .bind(&provider.scopes)
    .bind(provider.enabled)
    .bind(provider.registers)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// How many users have linked an account of a provider.
///
/// # Errors
/// Faults of the database.
pub async fn links(on: &mut PgConnection, tenant: TenantId, provider: &str) -> fault::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM linked_identities WHERE tenant_id = $1 AND provider = $2")
        .bind(tenant.as_uuid())
        .bind(provider)
        .fetch_one(on)
        .await
        .map_err(storage)
}

/// Removes a provider; `false` when there is none.
///
/// # Errors
/// Faults of the database.
pub async fn remove(on: &mut PgConnection, tenant: TenantId, provider: &str) -> fault::Result<bool> {
    let done = sqlx::query("DELETE FROM identity_providers WHERE tenant_id = $1 AND provider = $2")
        .bind(tenant.as_uuid())
        .bind(provider)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

/// Whose account elsewhere this is.
///
/// # Errors
/// Faults of the database.
pub async fn owner(
    on: &mut PgConnection,
    tenant: TenantId,
    provider: &str,
    subject: &str,
) -> fault::Result<Option<UserId>> {
    let user: Option<Uuid> = sqlx::query_scalar(
        "SELECT user_id FROM linked_identities WHERE tenant_id = $1 AND provider = $2 AND subject = $3",
    )
    .bind(tenant.as_uuid())
    .bind(provider)
    .bind(subject)
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(user.map(UserId::from_uuid))
}

/// Links an account elsewhere to a user; `false` when it belongs to somebody, or the user has another
/// one of the provider: the table's keys decide between parallel calls.
///
/// # Errors
/// Faults of the database.
pub async fn link(
    on: &mut PgConnection,
    tenant: TenantId,
    (provider, subject): (&str, &str),
    (user, email): (UserId, &str),
    at: Timestamp,
) -> fault::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO linked_identities (tenant_id, provider, subject, user_id, email, linked_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(provider)
    .bind(subject)
    .bind(user.as_uuid())
    .bind(email)
    .bind(at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

/// Notes that an account elsewhere was used.
///
/// # Errors
/// Faults of the database.
pub async fn touch(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    provider: &str,
    at: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE linked_identities SET last_used_at = $4 WHERE tenant_id = $1 AND user_id = $2 AND provider = $3",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(provider)
    .bind(at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The accounts elsewhere that a user has linked.
///
/// # Errors
/// Faults of the database.
pub async fn linked_by(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<Vec<Linked>> {
    let rows: Vec<LinkedRow> = sqlx::query_as(
        "SELECT provider, email, linked_at, last_used_at FROM linked_identities \
         WHERE tenant_id = $1 AND user_id = $2 ORDER BY provider",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    let linked = rows.into_iter().map(|(provider, email, linked_at, last_used_at)| Linked {
        provider,
        email,
        linked_at: linked_at.to_jiff(),
        last_used_at: last_used_at.map(|at| at.to_jiff()),
    });
    Ok(linked.collect())
}

/// Forgets links of a user: one, or all of them. Answers how many.
///
/// # Errors
/// Faults of the database.
pub async fn unlink(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    provider: Option<&str>,
) -> fault::Result<u64> {
    let done = sqlx::query(
        "DELETE FROM linked_identities WHERE tenant_id = $1 AND user_id = $2 \
         AND ($3::text IS NULL OR provider = $3)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(provider)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected())
}

/// Adds a log-in that is under way.
///
/// # Errors
/// Faults of the database.
pub async fn insert_attempt(
    on: &mut PgConnection,
    tenant: TenantId,
    provider: &str,
    state_digest: &[u8; 32],
    attempt: &Attempt,
    at: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO federated_attempts \
         (tenant_id, state_digest, attempt_digest, provider, sealed, session_id, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(tenant.as_uuid())
    .bind(state_digest.as_slice())
    .bind(&attempt.attempt_digest)
    .bind(provider)
    .bind(&attempt.sealed)
    .bind(attempt.session.map(SessionId::as_uuid))
    .bind(at.to_sqlx())
    .bind(attempt.expires_at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Takes a log-in that came back from `provider`: of several answers with one state exactly one gets it.
///
/// # Errors
/// Faults of the database.
pub async fn take_attempt(
    on: &mut PgConnection,
    tenant: TenantId,
    provider: &str,
    state_digest: &[u8; 32],
) -> fault::Result<Option<Attempt>> {
    let row: Option<AttemptRow> = sqlx::query_as(
        "DELETE FROM federated_attempts WHERE tenant_id = $1 AND provider = $2 AND state_digest = $3 \
         RETURNING attempt_digest, sealed, session_id, expires_at",
    )
    .bind(tenant.as_uuid())
    .bind(provider)
    .bind(state_digest.as_slice())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(|(attempt_digest, sealed, session, expires_at)| Attempt {
        attempt_digest,
        sealed,
        session: session.map(SessionId::from_uuid),
        expires_at: expires_at.to_jiff(),
    }))
}

/// Removes what expired before `before`. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn sweep(on: &mut PgConnection, before: Timestamp) -> fault::Result<u64> {
    let done = sqlx::query("DELETE FROM federated_attempts WHERE expires_at < $1")
        .bind(before.to_sqlx())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(done.rows_affected())
}
