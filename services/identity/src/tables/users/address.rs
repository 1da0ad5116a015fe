//! A user's address: proven, or another one.

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

use crate::rules::email::EmailAddress;
use crate::tables::done_once;

/// Notes that the user has proven to read what is sent to `email`; `false` when that is no longer the
/// user's address or was proven before.
///
/// # Errors
/// Faults of the database.
pub async fn verify_email(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    email: &str,
    at: Timestamp,
) -> fault::Result<bool> {
    let statement = sqlx::query(
        "UPDATE users SET email_verified_at = $4 WHERE tenant_id = $1 AND user_id = $2 \
         AND email_normalised = lower($3) AND email_verified_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(email)
    .bind(at.to_sqlx());
    done_once(on, statement).await
}

/// Gives a user another, proven address; `false` when somebody else has it.
///
/// # Errors
/// Faults of the database.
pub async fn set_email(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    email: &EmailAddress,
    at: Timestamp,
) -> fault::Result<bool> {
    let done = sqlx::query(
        "UPDATE users SET email = $3, email_normalised = $4, email_verified_at = $5 \
         WHERE tenant_id = $1 AND user_id = $2 AND NOT EXISTS (SELECT 1 FROM users other \
         WHERE other.tenant_id = $1 AND other.email_normalised = $4 AND other.user_id <> $2)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(email.given())
    .bind(email.normalised())
    .bind(at.to_sqlx())
    .execute(on)
    .await;
    match done {
        Ok(done) => Ok(done.rows_affected() == 1),
        // Two confirmations at once: the unique key decides, and the second one is told so.
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(storage(error)),
    }
}
