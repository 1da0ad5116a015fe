//! What log-in needs to know of a user, and the password's hash.

use eventstore::storage;
use ids::{TenantId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Status, status};
use crate::rules::email::EmailAddress;
use crate::tables::done;

/// What log-in needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who.
    pub user: UserId,
    /// PHC string; none until an invitation was accepted.
    pub password_hash: Option<String>,
    /// Whether the user may sign in.
    pub status: Status,
    /// Whether the address was proven.
    pub email_verified: bool,
}

#[derive(sqlx::FromRow)]
struct CredentialsRow {
    user_id: Uuid,
    password_hash: Option<String>,
    status: String,
    email_verified: bool,
}

impl From<CredentialsRow> for Credentials {
    fn from(row: CredentialsRow) -> Self {
        Self {
            user: UserId::from_uuid(row.user_id),
            password_hash: row.password_hash,
            status: status(&row.status),
            email_verified: row.email_verified,
        }
    }
}

/// What log-in needs to know about an address.
///
/// # Errors
/// Faults of the database.
pub async fn credentials(
    on: &mut PgConnection,
    tenant: TenantId,
    email: &EmailAddress,
) -> fault::Result<Option<Credentials>> {
    let row: Option<CredentialsRow> = sqlx::query_as(
        "SELECT user_id, password_hash, status, email_verified_at IS NOT NULL AS email_verified FROM users \
         WHERE tenant_id = $1 AND email_normalised = $2",
    )
    .bind(tenant.as_uuid())
    .bind(email.normalised())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(Credentials::from))
}

/// The present hash and status of a user, which nobody changes until the transaction ends.
///
/// # Errors
/// Faults of the database.
pub async fn hold_credentials(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> fault::Result<Option<Credentials>> {
    let row: Option<CredentialsRow> = sqlx::query_as(
        "SELECT user_id, password_hash, status, email_verified_at IS NOT NULL AS email_verified FROM users \
         WHERE tenant_id = $1 AND user_id = $2 FOR SHARE",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(Credentials::from))
}

/// Replaces a password hash, if it still is `old`.
///
/// # Errors
/// Faults of the database.
pub async fn replace_hash(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    old: &str,
    new: &str,
) -> fault::Result<()> {
    let statement = sqlx::query(
        "UPDATE users SET password_hash = $4 WHERE tenant_id = $1 AND user_id = $2 AND password_hash = $3",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(old)
    .bind(new);
    done(on, statement).await.map(drop)
}

/// Sets a password.
///
/// # Errors
/// Faults of the database.
pub async fn set_hash(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    hash: &str,
) -> fault::Result<()> {
    let statement = sqlx::query("UPDATE users SET password_hash = $3 WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .bind(hash);
    done(on, statement).await.map(drop)
}
