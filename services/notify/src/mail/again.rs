//! A mail that was given up is sent again because somebody wants it: the mailbox was full, the name
//! server was wrong.

use eventstore::storage;
use fault::Fault;
use ids::{MailId, TenantId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

use super::suppression;

/// Puts a dead mail into the queue again, with as many attempts as a new one. The row's lock lets one
/// of parallel calls do it; the others find it queued.
///
/// # Errors
/// `mail` not found; `mail_not_dead`; `mail_forgotten` when what it said is no longer kept;
/// `address_suppressed` when its recipient gets no mail.
pub(crate) async fn send_again(
    on: &mut PgConnection,
    tenant: TenantId,
    id: MailId,
    now: Timestamp,
) -> fault::Result<()> {
    let row: Option<(String, String, bool)> = sqlx::query_as(
        "SELECT status, recipient, variables IS NOT NULL FROM mails \
         WHERE tenant_id = $1 AND mail_id = $2 FOR UPDATE",
    )
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .fetch_optional(&mut *on)
    .await
    .map_err(storage)?;
    let (status, recipient, is_kept) = row.ok_or_else(|| Fault::not_found("mail"))?;
    if status != "dead" {
        let fault = Fault::rejected("mail_not_dead", "Only a mail that was given up can be sent again.");
        return Err(fault.with_fact("status", status));
    }
    if !is_kept {
        return Err(Fault::rejected("mail_forgotten", "What the mail said is no longer kept."));
    }
    if suppression::find(on, tenant, &recipient).await?.is_some() {
        let message = "The recipient's address gets no mail; lift the suppression first.";
        return Err(Fault::rejected("address_suppressed", message));
    }
    sqlx::query(
        "UPDATE mails SET status = 'queued', ended_at = NULL, due_at = $2, attempts_before = attempts \
         WHERE mail_id = $1",
    )
    .bind(id.as_uuid())
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}
