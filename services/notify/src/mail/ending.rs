//! How an attempt ends, and what follows.
//!
//! The number of the attempt is the fence: one that outlived its lease can no longer end the mail.
//! A mail that was given up keeps what it says, sealed, so that it can be sent again.

use eventstore::{CommandContext, UnitOfWork, storage};
use fault::Fault;
use ids::OperationId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

use super::Queue;
use super::queue::{Claimed, signed};
use super::smtp::Outcome;
use super::suppression::{self, Reason};
use crate::events::{MAIL, MailFailed, NotifyEvent};
use crate::metrics;

impl Queue {
    /// Notes how an attempt ended, and decides what follows. Answers whether the mail was still
    /// held by this attempt.
    pub(crate) async fn end(
        &self,
        claimed: &Claimed,
        subject: &str,
        outcome: &Outcome,
    ) -> fault::Result<bool> {
        let now = self.now();
        let mut worker = self.store().begin_worker(Some(claimed.tenant)).await?;
        note(worker.connection(), claimed, outcome, now).await?;
        let next = self.next(claimed, outcome, now)?;
        let held = settle(worker.connection(), claimed, next, subject, outcome, now).await?;
        if held && next.0 == "dead" {
            self.mourn(&mut worker, claimed, outcome, now).await?;
        }
        worker.commit().await?;
        observe(claimed, next.0, now);
        Ok(held)
    }

    /// Ends a mail that is not to be sent, and says why.
    pub(crate) async fn suppress(&self, claimed: &Claimed, why: &str) -> fault::Result<bool> {
        let now = self.now();
        let mut worker = self.store().begin_worker(Some(claimed.tenant)).await?;
        let unwanted = Outcome::Refused(why.to_owned());
        let held = settle(worker.connection(), claimed, ("suppressed", now), "", &unwanted, now).await?;
        worker.commit().await?;
        Ok(held)
    }

    /// The mail's next status, and when it is due.
    fn next(
        &self,
        claimed: &Claimed,
        outcome: &Outcome,
        now: Timestamp,
    ) -> fault::Result<(&'static str, Timestamp)> {
        let attempt = claimed.attempt.saturating_sub(claimed.attempts_before);
        let last = attempt >= i32::from(self.config().attempts_max);
        match outcome {
            Outcome::Accepted(_) => Ok(("sent", now)),
            Outcome::Bounced(_) | Outcome::Refused(_) => Ok(("dead", now)),
            Outcome::Deferred(_) | Outcome::Unknown(_) if last => Ok(("dead", now)),
            Outcome::Deferred(_) | Outcome::Unknown(_) => {
                let pause = signed(self.pause_after(attempt.unsigned_abs()));
                Ok(("queued", now.saturating_add(pause).map_err(Fault::internal)?))
            }
        }
    }

    /// A mail that was given up is news for others; an address that does not exist is left alone.
    async fn mourn(
        &self,
        worker: &mut UnitOfWork,
        claimed: &Claimed,
        outcome: &Outcome,
        now: Timestamp,
    ) -> fault::Result<()> {
        if let Outcome::Bounced(reply) = outcome {
            let because = (Reason::Bounced, reply.as_str(), Some(claimed.mail));
            let (tenant, address) = (claimed.tenant, claimed.recipient.as_str());
            suppression::add(worker.connection(), tenant, address, because, now).await?;
        }
        let (mail, attempt) = (claimed.mail.to_string(), claimed.attempt.to_string());
        let operation_id = OperationId::derived(&["mail.failed", &mail, &attempt]);
        worker.set_context(CommandContext {
            tenant: claimed.tenant,
            actor: "service:notify".to_owned(),
            operation_id,
            correlation_id: operation_id.as_uuid(),
            causation_id: None,
            traceparent: None,
            at: now,
        });
        let (mail, template) = (claimed.mail, claimed.template.clone());
        let reason = reason(outcome).to_owned();
        let event = NotifyEvent::MailFailed(MailFailed { mail, template, user: claimed.user, reason });
        worker.append_fact(MAIL, mail.as_uuid(), event).await.map(drop)
    }
}

/// Why a mail was given up, as others are told.
const fn reason(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Bounced(_) => "bounced",
        Outcome::Refused(_) => "refused",
        Outcome::Accepted(_) | Outcome::Deferred(_) | Outcome::Unknown(_) => "given_up",
    }
}

async fn note(
    on: &mut PgConnection,
    claimed: &Claimed,
    outcome: &Outcome,
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO mail_attempts (tenant_id, mail_id, attempt, at, outcome, reply) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(claimed.tenant.as_uuid())
    .bind(claimed.mail.as_uuid())
    .bind(claimed.attempt)
    .bind(now.to_sqlx())
    .bind(outcome.name())
    .bind(outcome.reply())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

async fn settle(
    on: &mut PgConnection,
    claimed: &Claimed,
    (status, due_at): (&str, Timestamp),
    subject: &str,
    outcome: &Outcome,
    now: Timestamp,
) -> fault::Result<bool> {
    let error = if status == "sent" { "" } else { outcome.reply() };
    let done = sqlx::query(
        "UPDATE mails SET status = $3, due_at = $4, subject = $5, last_error = $6, \
         ended_at = CASE WHEN $3 = 'queued' THEN NULL ELSE $7 END, \
         variables = CASE WHEN $3 IN ('queued', 'dead') THEN variables END \
         WHERE mail_id = $1 AND attempts = $2 AND status = 'queued'",
    )
    .bind(claimed.mail.as_uuid())
    .bind(claimed.attempt)
    .bind(status)
    .bind(due_at.to_sqlx())
    .bind(subject)
    .bind(error)
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

fn observe(claimed: &Claimed, status: &str, now: Timestamp) {
    match status {
        "sent" => metrics::mail_waited(now.duration_since(claimed.created_at).as_secs_f64()),
        "dead" => metrics::mail_dead(),
        _ => {}
    }
}
