//! The log of mails, as people read it: by recipient, with what the mail server said.

use eventstore::storage;
use fault::Fault;
use ids::{MailId, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Queue;

const COLUMNS: &str = "SELECT mail_id, template, recipient, user_id, status, attempts, subject, last_error, \
     due_at, created_at, ended_at FROM mails WHERE tenant_id = $1";

/// A mail as it stands.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct MailRow {
    pub mail_id: Uuid,
    pub template: String,
    pub recipient: String,
    pub user_id: Option<Uuid>,
    pub status: String,
    pub attempts: i32,
    pub subject: String,
    pub last_error: String,
    pub due_at: jiff_sqlx::Timestamp,
    pub created_at: jiff_sqlx::Timestamp,
    pub ended_at: Option<jiff_sqlx::Timestamp>,
}

/// One conversation.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct MailAttempt {
    pub attempt: i32,
    pub at: jiff_sqlx::Timestamp,
    pub outcome: String,
    pub reply: String,
}

/// Which mails.
pub(crate) struct MailFilter<'a> {
    /// Lower case; empty: everybody.
    pub recipient: &'a str,
    /// Empty: all.
    pub status: &'a str,
    pub before: Option<Uuid>,
    pub limit: i64,
}

impl Queue {
    /// At most as many as the filter says, newest first.
    pub(crate) async fn page(
        &self,
        tenant: TenantId,
        filter: &MailFilter<'_>,
    ) -> fault::Result<Vec<MailRow>> {
        let query = format!(
            "{COLUMNS} AND ($2 = '' OR lower(recipient) = $2) AND ($3 = '' OR status = $3) \
             AND ($4::uuid IS NULL OR mail_id < $4) ORDER BY mail_id DESC LIMIT $5"
        );
        let mut reading = self.store().read(tenant).await?;
        let rows = sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(tenant.as_uuid())
            .bind(filter.recipient)
            .bind(filter.status)
            .bind(filter.before)
            .bind(filter.limit)
            .fetch_all(&mut *reading)
            .await
            .map_err(storage)?;
        reading.rollback().await.map_err(storage)?;
        Ok(rows)
    }

    /// One mail and its attempts.
    pub(crate) async fn get(
        &self,
        tenant: TenantId,
        id: MailId,
    ) -> fault::Result<(MailRow, Vec<MailAttempt>)> {
        let mut reading = self.store().read(tenant).await?;
        let found = get(&mut reading, tenant, id).await?;
        reading.rollback().await.map_err(storage)?;
        Ok(found)
    }
}

/// One mail and its attempts, as a transaction sees them.
pub(crate) async fn get(
    on: &mut PgConnection,
    tenant: TenantId,
    id: MailId,
) -> fault::Result<(MailRow, Vec<MailAttempt>)> {
    let query = sqlx::AssertSqlSafe(format!("{COLUMNS} AND mail_id = $2"));
    let row = sqlx::query_as(query).bind(tenant.as_uuid()).bind(id.as_uuid());
    let row = row.fetch_optional(&mut *on).await.map_err(storage)?;
    let row = row.ok_or_else(|| Fault::not_found("mail"))?;
    let attempts = sqlx::query_as(
        "SELECT attempt, at, outcome, reply FROM mail_attempts WHERE tenant_id = $1 AND mail_id = $2 \
         ORDER BY attempt",
    )
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    Ok((row, attempts))
}
