//! `sessions`.

use eventstore::storage;
use ids::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

/// A session to be.
pub struct NewSession<'a> {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// Where the log-in came from.
    pub origin: Option<&'a str>,
    /// Which country that is, as far as the edge knows.
    pub country: Option<&'a str>,
    /// What the client is called, as its owner recognises it.
    pub device: &'a str,
    /// When it was opened.
    pub at: Timestamp,
    /// When it ends, however often it is refreshed.
    pub expires_at: Timestamp,
    /// Who acts in it, and why, when that is not the user.
    pub impersonation: Option<(UserId, &'a str)>,
    /// How the user proved who is there.
    pub methods: &'a [String],
}

/// What an open session rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How the user proved who is there.
    pub methods: Vec<String>,
    /// When last.
    pub proven_at: Timestamp,
    /// Whether somebody else acts in it.
    pub impersonated: bool,
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
    /// The user, or an administrator, ended it from elsewhere.
    Revoked,
    /// The user has set another password.
    PasswordChanged,
    /// The password was reset.
    PasswordReset,
    /// The user was erased.
    Erased,
}

impl EndReason {
    /// The stored word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Suspended => "suspended",
            Self::ReuseDetected => "reuse_detected",
            Self::Revoked => "revoked",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::Erased => "erased",
        }
    }
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// What the client is called.
    pub device: String,
    /// Where the log-in came from.
    pub origin: Option<String>,
    /// Where it was last refreshed from.
    pub last_origin: Option<String>,
    /// The country of the log-in, as far as the edge knew.
    pub country: Option<String>,
    /// The country of the last refresh.
    pub last_country: Option<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was last refreshed, or opened.
    pub last_used_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Who acts in it, when that is not the user.
    pub impersonation: Option<Impersonation>,
}

/// Who acts in a session, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impersonation {
    /// Who.
    pub by: UserId,
    /// The name to show of who.
    pub name: String,
    /// Why.
    pub reason: String,
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    session_id: Uuid,
    device: String,
    origin_address: Option<String>,
    last_origin_address: Option<String>,
    country: Option<String>,
    last_country: Option<String>,
    created_at: jiff_sqlx::Timestamp,
    last_used_at: Option<jiff_sqlx::Timestamp>,
    expires_at: jiff_sqlx::Timestamp,
    impersonator: Option<Uuid>,
    impersonator_name: Option<String>,
    impersonation_reason: Option<String>,
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        let created_at = row.created_at.to_jiff();
        Self {
            id: SessionId::from_uuid(row.session_id),
            device: row.device,
            last_origin: row.last_origin_address.or_else(|| row.origin_address.clone()),
            origin: row.origin_address,
            last_country: row.last_country.or_else(|| row.country.clone()),
            country: row.country,
            created_at,
            last_used_at: row.last_used_at.map_or(created_at, |at| at.to_jiff()),
            expires_at: row.expires_at.to_jiff(),
            impersonation: row.impersonator.map(|by| Impersonation {
                by: UserId::from_uuid(by),
                name: row.impersonator_name.unwrap_or_default(),
                reason: row.impersonation_reason.unwrap_or_default(),
            }),
        }
    }
}

/// Opens a session.
///
/// # Errors
/// Faults of the database.
pub async fn insert(on: &mut PgConnection, tenant: TenantId, session: &NewSession<'_>) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO sessions (tenant_id, session_id, user_id, origin_address, created_at, expires_at, device, \
         impersonator, impersonation_reason, methods, proven_at, country) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $5, $11)",
    )
    .bind(tenant.as_uuid())
    .bind(session.id.as_uuid())
    .bind(session.user.as_uuid())
    .bind(session.origin)
    .bind(session.at.to_sqlx())
    .bind(session.expires_at.to_sqlx())
    .bind(session.device)
    .bind(session.impersonation.map(|(by, _)| by.as_uuid()))
    .bind(session.impersonation.map(|(_, reason)| reason))
    .bind(session.methods)
    .bind(session.country)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Whether the user had sessions before, and whether one of them was like this: same address, or same
/// device in a country that is not new. A country that the edge does not know is not new, nor is the
/// first one it knows. What was swept is forgotten.
///
/// # Errors
/// Faults of the database.
pub async fn acquaintance(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    (device, origin, country): (&str, Option<&str>, Option<&str>),
) -> fault::Result<(bool, bool)> {
    sqlx::query_as(
        "SELECT count(*) > 0, coalesce(bool_or(origin_address = $4 OR last_origin_address = $4), false) \
         OR (coalesce(bool_or(device = $3), false) AND ($5::text IS NULL \
         OR coalesce(bool_or(coalesce(country, '') = $5 OR coalesce(last_country, '') = $5) \
         FILTER (WHERE country IS NOT NULL OR last_country IS NOT NULL), true))) FROM sessions \
         WHERE tenant_id = $1 AND user_id = $2 AND impersonator IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(device)
    .bind(origin)
    .bind(country)
    .fetch_one(on)
    .await
    .map_err(storage)
}

/// The open sessions of a user, the latest first.
///
/// # Errors
/// Faults of the database.
pub async fn open_of(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    at: Timestamp,
) -> fault::Result<Vec<Session>> {
    let rows: Vec<SessionRow> = sqlx::query_as(
        "SELECT s.session_id, s.device, s.origin_address, s.last_origin_address, s.country, s.last_country, s.created_at, s.last_used_at, \
         s.expires_at, s.impersonator, s.impersonation_reason, u.display_name AS impersonator_name \
         FROM sessions s LEFT JOIN users u ON u.tenant_id = s.tenant_id AND u.user_id = s.impersonator \
         WHERE s.tenant_id = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND s.expires_at > $3 \
         ORDER BY coalesce(s.last_used_at, s.created_at) DESC, s.session_id DESC LIMIT 200",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(at.to_sqlx())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    Ok(rows.into_iter().map(Session::from).collect())
}

/// Whether the session is the user's and open.
///
/// # Errors
/// Faults of the database.
pub async fn is_open(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    session: SessionId,
    at: Timestamp,
) -> fault::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM sessions WHERE tenant_id = $1 AND user_id = $2 AND session_id = $3 \
         AND ended_at IS NULL AND expires_at > $4)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(session.as_uuid())
    .bind(at.to_sqlx())
    .fetch_one(on)
    .await
    .map_err(storage)
}

/// What a session rests on, when it is the user's and open.
///
/// # Errors
/// Faults of the database.
pub async fn standing(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    session: SessionId,
    at: Timestamp,
) -> fault::Result<Option<Standing>> {
    let row: Option<(Vec<String>, jiff_sqlx::Timestamp, bool)> = sqlx::query_as(
        "SELECT methods, coalesce(proven_at, created_at), impersonator IS NOT NULL FROM sessions \
         WHERE tenant_id = $1 AND user_id = $2 AND session_id = $3 AND ended_at IS NULL AND expires_at > $4",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(session.as_uuid())
    .bind(at.to_sqlx())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    let standing = |(methods, proven_at, impersonated): (Vec<String>, jiff_sqlx::Timestamp, bool)| Standing {
        methods,
        proven_at: proven_at.to_jiff(),
        impersonated,
    };
    Ok(row.map(standing))
}

/// Notes that the user has proven again who is there.
///
/// # Errors
/// Faults of the database.
pub async fn strengthen(
    on: &mut PgConnection,
    tenant: TenantId,
    session: SessionId,
    methods: &[String],
    at: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE sessions SET proven_at = $4, methods = (SELECT array_agg(DISTINCT method ORDER BY method) \
         FROM unnest(methods || $3) AS method) WHERE tenant_id = $1 AND session_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(session.as_uuid())
    .bind(methods)
    .bind(at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Notes that a session was refreshed, and from where.
///
/// # Errors
/// Faults of the database.
pub async fn touch(
    on: &mut PgConnection,
    tenant: TenantId,
    session: SessionId,
    (origin, country): (Option<&str>, Option<&str>),
    at: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE sessions SET last_used_at = $4, last_origin_address = coalesce($3, last_origin_address), \
         last_country = CASE WHEN $3 IS NULL THEN last_country ELSE $5 END \
         WHERE tenant_id = $1 AND session_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(session.as_uuid())
    .bind(origin)
    .bind(at.to_sqlx())
    .bind(country)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Ends every open session of the user except `kept`.
///
/// # Errors
/// Faults of the database.
pub async fn end_others(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    kept: SessionId,
    at: Timestamp,
    reason: EndReason,
) -> fault::Result<u64> {
    let done = sqlx::query(
        "UPDATE sessions SET ended_at = $4, end_reason = $5 WHERE tenant_id = $1 AND user_id = $2 \
         AND session_id <> $3 AND ended_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(kept.as_uuid())
    .bind(at.to_sqlx())
    .bind(reason.as_str())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected())
}

/// Ends every session in which somebody else acts: as this user, or through this user's power; of the
/// whole tenant without a user. Answers whose sessions they were.
///
/// # Errors
/// Faults of the database.
pub async fn end_impersonations(
    on: &mut PgConnection,
    tenant: TenantId,
    user: Option<UserId>,
    at: Timestamp,
) -> fault::Result<Vec<(UserId, SessionId)>> {
    let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(
        "UPDATE sessions SET ended_at = $3, end_reason = 'revoked' WHERE tenant_id = $1 \
         AND impersonator IS NOT NULL AND ($2::uuid IS NULL OR impersonator = $2 OR user_id = $2) \
         AND ended_at IS NULL RETURNING user_id, session_id",
    )
    .bind(tenant.as_uuid())
    .bind(user.map(UserId::as_uuid))
    .bind(at.to_sqlx())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    let named = |(user, session)| (UserId::from_uuid(user), SessionId::from_uuid(session));
    Ok(rows.into_iter().map(named).collect())
}

/// Removes every session of a user or by a user, with its tokens.
///
/// # Errors
/// Faults of the database.
pub async fn remove_all(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE tenant_id = $1 AND (user_id = $2 OR impersonator = $2)")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
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
