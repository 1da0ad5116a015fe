//! `refresh_tokens`: a session is the family of all tokens that follow from one log-in.

use eventstore::storage;
use ids::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rules::refresh::TokenFacts;

/// A refresh token that was presented, and its family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// The family.
    pub session: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Who acts in it, when that is not the user.
    pub impersonator: Option<UserId>,
    /// How the user proved who is there.
    pub methods: Vec<String>,
    /// What the rule looks at.
    pub facts: TokenFacts,
}

impl Presented {
    /// What its session rests on.
    #[must_use]
    pub fn standing(&self) -> (&[String], bool) {
        (&self.methods, self.impersonator.is_some())
    }
}

#[derive(sqlx::FromRow)]
struct PresentedRow {
    session_id: Uuid,
    user_id: Uuid,
    expires_at: jiff_sqlx::Timestamp,
    spent_at: Option<jiff_sqlx::Timestamp>,
    session_expires_at: jiff_sqlx::Timestamp,
    session_ended: bool,
    impersonator: Option<Uuid>,
    methods: Vec<String>,
}

/// Adds a refresh token to a family.
///
/// # Errors
/// Faults of the database.
pub async fn insert(
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
         s.ended_at IS NOT NULL AS session_ended, s.impersonator, s.methods \
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
        impersonator: row.impersonator.map(UserId::from_uuid),
        methods: row.methods,
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
