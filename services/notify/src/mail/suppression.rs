//! Addresses that get no more mail: the mail server said that nobody is there, or somebody of the
//! tenant said so. To go on writing to them ruins the sender's reputation for everybody else's mail.
//!
//! One row per address (primary key), so that attempts that bounce together make one.

use eventstore::storage;
use ids::{MailId, TenantId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

/// Why an address gets no more mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The mail server knows nobody of that name.
    Bounced,
    /// Somebody of the tenant said so.
    ByHand,
}

impl Reason {
    const fn name(self) -> &'static str {
        match self {
            Self::Bounced => "bounced",
            Self::ByHand => "by_hand",
        }
    }
}

/// An address that gets no more mail.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Suppression {
    /// In lower case.
    pub address: String,
    pub reason: String,
    pub detail: String,
    pub mail_id: Option<Uuid>,
    pub at: jiff_sqlx::Timestamp,
}

/// Adds an address; the first reason stays.
pub(crate) async fn add(
    on: &mut PgConnection,
    tenant: TenantId,
    address: &str,
    (reason, detail, mail): (Reason, &str, Option<MailId>),
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO suppressed_addresses (tenant_id, address, reason, detail, mail_id, at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(address.to_lowercase())
    .bind(reason.name())
    .bind(detail)
    .bind(mail.map(MailId::as_uuid))
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The row of an address, if it gets no more mail.
pub(crate) async fn find(
    on: &mut PgConnection,
    tenant: TenantId,
    address: &str,
) -> fault::Result<Option<Suppression>> {
    sqlx::query_as(
        "SELECT address, reason, detail, mail_id, at FROM suppressed_addresses \
         WHERE tenant_id = $1 AND address = $2",
    )
    .bind(tenant.as_uuid())
    .bind(address.to_lowercase())
    .fetch_optional(on)
    .await
    .map_err(storage)
}

/// Lets an address get mail again; says whether it did not.
pub(crate) async fn lift(on: &mut PgConnection, tenant: TenantId, address: &str) -> fault::Result<bool> {
    let lifted = sqlx::query("DELETE FROM suppressed_addresses WHERE tenant_id = $1 AND address = $2")
        .bind(tenant.as_uuid())
        .bind(address.to_lowercase())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(lifted.rows_affected() > 0)
}

/// At most `limit` addresses behind `after`, in their order.
pub(crate) async fn page(
    on: &mut PgConnection,
    tenant: TenantId,
    (after, limit): (Option<&str>, i64),
) -> fault::Result<Vec<Suppression>> {
    sqlx::query_as(
        "SELECT address, reason, detail, mail_id, at FROM suppressed_addresses \
         WHERE tenant_id = $1 AND ($2::text IS NULL OR address > $2) ORDER BY address LIMIT $3",
    )
    .bind(tenant.as_uuid())
    .bind(after)
    .bind(limit)
    .fetch_all(on)
    .await
    .map_err(storage)
}
