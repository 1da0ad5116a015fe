//! `tickets` and `reset_wishes`.

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rules::tickets::{Purpose, TicketFacts};
use crate::tables::done;

/// A ticket to be.
pub struct NewTicket<'a> {
    /// Which.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// What it permits.
    pub purpose: Purpose,
    /// Digest of its token.
    pub digest: &'a [u8; 32],
    /// The address that its letter goes to.
    pub email: &'a str,
    /// When.
    pub at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// A ticket whose token was presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Which.
    pub id: Uuid,
    /// Whose.
    pub user: UserId,
    /// The address that its letter went to.
    pub email: String,
    /// What the rule looks at.
    pub facts: TicketFacts,
}

#[derive(sqlx::FromRow)]
struct Row {
    ticket_id: Uuid,
    user_id: Uuid,
    email: String,
    expires_at: jiff_sqlx::Timestamp,
    spent_at: Option<jiff_sqlx::Timestamp>,
}

/// Adds a ticket.
///
/// # Errors
/// Faults of the database.
pub async fn insert(on: &mut PgConnection, tenant: TenantId, ticket: &NewTicket<'_>) -> fault::Result<()> {
    let statement = sqlx::query(
        "INSERT INTO tickets (tenant_id, ticket_id, user_id, purpose, token_digest, email, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(tenant.as_uuid())
    .bind(ticket.id)
    .bind(ticket.user.as_uuid())
    .bind(ticket.purpose.as_str())
    .bind(ticket.digest.as_slice())
    .bind(ticket.email)
    .bind(ticket.at.to_sqlx())
    .bind(ticket.expires_at.to_sqlx());
    done(on, statement).await.map(drop)
}

/// The ticket with this digest, without a lock: whose lock must be taken.
///
/// # Errors
/// Faults of the database.
pub async fn find(
    on: &mut PgConnection,
    tenant: TenantId,
    purpose: Purpose,
    digest: &[u8; 32],
) -> fault::Result<Option<Presented>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT ticket_id, user_id, email, expires_at, spent_at FROM tickets \
         WHERE tenant_id = $1 AND token_digest = $2 AND purpose = $3",
    )
    .bind(tenant.as_uuid())
    .bind(digest.as_slice())
    .bind(purpose.as_str())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(|row| Presented {
        id: row.ticket_id,
        user: UserId::from_uuid(row.user_id),
        email: row.email,
        facts: TicketFacts {
            expires_at: row.expires_at.to_jiff(),
            spent_at: row.spent_at.map(|at| at.to_jiff()),
        },
    }))
}

/// Spends every ticket of the user with this purpose.
///
/// # Errors
/// Faults of the database.
pub async fn spend_all(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    purpose: Purpose,
    at: Timestamp,
) -> fault::Result<()> {
    let statement = sqlx::query(
        "UPDATE tickets SET spent_at = $4 WHERE tenant_id = $1 AND user_id = $2 AND purpose = $3 \
         AND spent_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(purpose.as_str())
    .bind(at.to_sqlx());
    done(on, statement).await.map(drop)
}

/// Tickets of this purpose that the user got after `since`.
///
/// # Errors
/// Faults of the database.
pub async fn count_since(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    purpose: Purpose,
    since: Timestamp,
) -> fault::Result<i64> {
    sqlx::query_scalar(
        "SELECT count(*) FROM tickets WHERE tenant_id = $1 AND user_id = $2 AND purpose = $3 \
         AND created_at > $4",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(purpose.as_str())
    .bind(since.to_sqlx())
    .fetch_one(on)
    .await
    .map_err(storage)
}

/// Removes every ticket of a user.
///
/// # Errors
/// Faults of the database.
pub async fn remove_all(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<()> {
    let statement = sqlx::query("DELETE FROM tickets WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid());
    done(on, statement).await.map(drop)
}

/// Removes tickets that expired before `before`. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn sweep(on: &mut PgConnection, before: Timestamp) -> fault::Result<u64> {
    let statement = sqlx::query("DELETE FROM tickets WHERE expires_at < $1").bind(before.to_sqlx());
    done(on, statement).await
}

/// Notes the wish to reset the password of an address, whoever has it.
///
/// # Errors
/// Faults of the database.
pub async fn wish(
    on: &mut PgConnection,
    tenant: TenantId,
    wish: Uuid,
    email: &str,
    origin: Option<&str>,
    at: Timestamp,
) -> fault::Result<()> {
    let statement = sqlx::query(
        "INSERT INTO reset_wishes (tenant_id, wish_id, email, origin_address, created_at) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tenant.as_uuid())
    .bind(wish)
    .bind(email)
    .bind(origin)
    .bind(at.to_sqlx());
    done(on, statement).await.map(drop)
}

/// Takes a wish out of the table: its address and origin; `None` when it was taken before.
///
/// # Errors
/// Faults of the database.
pub async fn take_wish(
    on: &mut PgConnection,
    tenant: TenantId,
    wish: Uuid,
) -> fault::Result<Option<(String, Option<String>)>> {
    sqlx::query_as(
        "DELETE FROM reset_wishes WHERE tenant_id = $1 AND wish_id = $2 RETURNING email, origin_address",
    )
    .bind(tenant.as_uuid())
    .bind(wish)
    .fetch_optional(on)
    .await
    .map_err(storage)
}
