//! `sessions` and `refresh_tokens`.

use eventstore::storage;
use ids::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rules::refresh::TokenFacts;

/// A session to be.
pub struct NewSession<'a> {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// Where the log-in came from.
    pub origin: Option<&'a str>,
    /// When it was opened.
    pub at: Timestamp,
    /// When it ends, however often it is refreshed.
    pub expires_at: Timestamp,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The user logged out.
    LoggedOut,
    /// The user was suspended.
    Suspended,
    /// A refresh token was used twice.
    ReuseDetected,
}

impl EndReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Suspended => "suspended",
            Self::ReuseDetected => "reuse_detected",
        }
    }
}

/// A refresh token that was presented, and its family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The family.
    pub session: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// What the rule looks at.
    pub facts: TokenFacts,
}

#[derive(sqlx::FromRow)]
struct PresentedRow {
    session_id: Uuid,
    user_id: Uuid,
    expires_at: jiff_sqlx::Timestamp,
    spent_at: Option<jiff_sqlx::Timestamp>,
    session_expires_at: jiff_sqlx::Timestamp,
    session_ended: bool,
}

/// Opens a session.
///
/// # Errors
/// Faults of the database.
pub async fn insert(on: &mut PgConnection, tenant: TenantId, session: &NewSession<'_>) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO sessions (tenant_id, session_id, user_id, origin_address, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(tenant.as_uuid())
    .bind(session.id.as_uuid())
    .bind(session.user.as_uuid())
    .bind(session.origin)
    .bind(session.at.to_sqlx())
    .bind(session.expires_at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Adds a refresh token to a family.
///
/// # Errors
/// Faults of the database.
pub async fn insert_token(
    on: &mut PgConnection,
    tenant: TenantId,
    session: SessionId,
    digest: &[u8; 32],
    at: Timestamp,
    expires_at: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO refresh_tokens (tenant_id, token_digest, session_id, issued_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .bind(session.as_uuid())
    .bind(at.to_sqlx())
    .bind(expires_at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The token with this digest, under the lock of its family: calls with tokens of one family go one
/// after the other, and each sees what the one before has done.
///
/// # Errors
/// Faults of the database.
pub async fn present(
    on: &mut PgConnection,
    tenant: TenantId,
    digest: &[u8; 32],
) -> fault::Result<Option<Presented>> {
    let row: Option<PresentedRow> = sqlx::query_as(
        "SELECT s.session_id, s.user_id, t.expires_at, t.spent_at, s.expires_at AS session_expires_at, \
         s.ended_at IS NOT NULL AS session_ended \
         FROM refresh_tokens t JOIN sessions s USING (tenant_id, session_id) \
         WHERE t.tenant_id = $1 AND t.token_digest = $2 FOR NO KEY UPDATE OF s, t",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(|row| Presented {
        session: SessionId::from_uuid(row.session_id),
        user: UserId::from_uuid(row.user_id),
        facts: TokenFacts {
            expires_at: row.expires_at.to_jiff(),
            spent_at: row.spent_at.map(|at| at.to_jiff()),
            session_expires_at: row.session_expires_at.to_jiff(),
            session_ended: row.session_ended,
        },
    }))
}

/// Spends a token; `false` when it was spent before.
///
/// # Errors
/// Faults of the database.
pub async fn spend(
    on: &mut PgConnection,
    tenant: TenantId,
    digest: &[u8; 32],
    at: Timestamp,
) -> fault::Result<bool> {
    let done = sqlx::query(
        "UPDATE refresh_tokens SET spent_at = $3 \
         WHERE tenant_id = $1 AND token_digest = $2 AND spent_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .bind(at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

/// Ends one open session of the user, or all of them. Ended ones stay as they are.
///
/// # Errors
/// Faults of the database.
pub async fn end(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    session: Option<SessionId>,
    at: Timestamp,
    reason: EndReason,
) -> fault::Result<u64> {
    let done = sqlx::query(
        "UPDATE sessions SET ended_at = $4, end_reason = $5 WHERE tenant_id = $1 AND user_id = $2 \
         AND ($3::uuid IS NULL OR session_id = $3) AND ended_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(session.map(SessionId::as_uuid))
    .bind(at.to_sqlx())
    .bind(reason.as_str())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected())
}

/// Removes sessions that ended or expired before `before`, at most `limit` of them, with their
/// tokens. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn sweep(on: &mut PgConnection, before: Timestamp, limit: i64) -> fault::Result<u64> {
    let done = sqlx::query(
        "DELETE FROM sessions WHERE (tenant_id, session_id) IN (SELECT tenant_id, session_id FROM sessions \
         WHERE expires_at < $1 OR ended_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
    )
    .bind(before.to_sqlx())
    .bind(limit)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected())
}
