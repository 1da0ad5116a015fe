//! `letters`: what is due to be sent. A letter leaves the table when notify has taken it.

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::BTreeMap;
use uuid::Uuid;

use crate::rules::tickets::Purpose;

/// The words a template is filled with, without secrets.
pub type Variables = BTreeMap<String, String>;

/// A letter to be.
pub struct NewLetter<'a> {
    /// Which.
    pub id: Uuid,
    /// About whom.
    pub user: UserId,
    /// The ticket whose link it carries.
    pub ticket: Option<Uuid>,
    /// Template key, `identity.verify_email`.
    pub template: &'a str,
    /// Address.
    pub recipient: &'a str,
    /// What the template is filled with.
    pub variables: &'a Variables,
    /// When.
    pub at: Timestamp,
}

/// A letter that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// About whom.
    pub user: UserId,
    /// Template key.
    pub template: String,
    /// Address.
    pub recipient: String,
    /// What the template is filled with.
    pub variables: Variables,
    /// The ticket whose link it carries, its purpose and its end.
    pub ticket: Option<(Uuid, Purpose, Timestamp)>,
    /// A host on which the tenant answers.
    pub host: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: Uuid,
    template: String,
    recipient: String,
    variables: Json<Variables>,
    ticket_id: Option<Uuid>,
    purpose: Option<String>,
    expires_at: Option<jiff_sqlx::Timestamp>,
    host: Option<String>,
}

/// Adds a letter.
///
/// # Errors
/// Faults of the database.
pub async fn insert(on: &mut PgConnection, tenant: TenantId, letter: &NewLetter<'_>) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO letters (tenant_id, letter_id, user_id, ticket_id, template, recipient, variables, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(tenant.as_uuid())
    .bind(letter.id)
    .bind(letter.user.as_uuid())
    .bind(letter.ticket)
    .bind(letter.template)
    .bind(letter.recipient)
    .bind(Json(letter.variables))
    .bind(letter.at.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// A letter that is due, if it still is.
///
/// # Errors
/// Faults of the database.
pub async fn find(on: &mut PgConnection, tenant: TenantId, letter: Uuid) -> fault::Result<Option<Letter>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT l.user_id, l.template, l.recipient, l.variables, t.ticket_id, t.purpose, t.expires_at, \
         (SELECT host FROM tenant_hosts h WHERE h.tenant_id = l.tenant_id ORDER BY is_main DESC, host LIMIT 1) AS host \
         FROM letters l LEFT JOIN tickets t ON t.tenant_id = l.tenant_id AND t.ticket_id = l.ticket_id \
         WHERE l.tenant_id = $1 AND l.letter_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(letter)
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(|row| Letter {
        user: UserId::from_uuid(row.user_id),
        template: row.template,
        recipient: row.recipient,
        variables: row.variables.0,
        ticket: match (row.ticket_id, row.purpose.as_deref().and_then(Purpose::parse), row.expires_at) {
            (Some(ticket), Some(purpose), Some(expires_at)) => Some((ticket, purpose, expires_at.to_jiff())),
            _ => None,
        },
        host: row.host,
    }))
}

/// Removes a letter that notify has taken.
///
/// # Errors
/// Faults of the database.
pub async fn remove(on: &mut PgConnection, tenant: TenantId, letter: Uuid) -> fault::Result<()> {
    sqlx::query("DELETE FROM letters WHERE tenant_id = $1 AND letter_id = $2")
        .bind(tenant.as_uuid())
        .bind(letter)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

/// Removes the letters that an erased user was still to get.
///
/// # Errors
/// Faults of the database.
pub async fn remove_all(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<()> {
    sqlx::query("DELETE FROM letters WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}
