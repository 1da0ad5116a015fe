//! How an attempt ended, in one commit: the delivery, the log, the lane, the next link of a replay,
//! and an endpoint that is given up, with the news of it.
//!
//! The order of locks is delivery, lane, endpoint. The number of the attempt is the fence: what
//! outlived its lease writes its log and changes nothing else.

use std::sync::Arc;

use eventstore::{CommandContext, EventStore, UnitOfWork, storage};
use fault::Fault;
use ids::OperationId;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use sqlx::types::Json;

use super::claim::Claimed;
use super::deliver::Exchange;
use super::replay;
use crate::config::WebhookConfig;
use crate::events::{ENDPOINT, EndpointDisabled, NotifyEvent};
use crate::mail::{NewMail, Queue};
use crate::metrics;
use crate::pauses::Pauses;
use crate::wording;

/// Failures in a row below which an endpoint is never given up, however long they took.
const FAILURES_MIN: i32 = 5;

/// Writes down how attempts ended.
#[derive(Clone)]
pub(crate) struct Ender {
    pub store: EventStore,
    pub config: Arc<WebhookConfig>,
    pub pauses: Pauses,
    pub mails: Queue,
}

/// What follows from an exchange.
struct Verdict {
    status: &'static str,
    due_at: Timestamp,
    /// Until when the whole lane rests.
    rests_until: Option<Timestamp>,
}

impl Ender {
    /// Ends an attempt.
    pub(crate) async fn end(
        &self,
        claimed: &Claimed,
        exchange: &Exchange,
        began: Timestamp,
        now: Timestamp,
    ) -> fault::Result<()> {
        let verdict = self.verdict(claimed, exchange, now)?;
        let mut worker = self.store.begin_worker(Some(claimed.tenant)).await?;
        let held = settle(worker.connection(), claimed, &verdict, exchange, now).await?;
        note(worker.connection(), claimed, exchange, began).await?;
        if held {
            let lane = lane(worker.connection(), claimed, &verdict, exchange, now).await?;
            self.give_up_when_due(&mut worker, claimed, exchange, lane, now).await?;
            if verdict.status != "waiting" {
                replay::next(worker.connection(), claimed, now).await?;
            }
        }
        worker.commit().await?;
        metrics::webhook_attempt(if exchange.succeeded() { "succeeded" } else { verdict.status });
        Ok(())
    }

    fn verdict(&self, claimed: &Claimed, exchange: &Exchange, now: Timestamp) -> fault::Result<Verdict> {
        let after = |wait: SignedDuration| now.saturating_add(wait).map_err(Fault::internal);
        if exchange.succeeded() {
            return Ok(Verdict { status: "succeeded", due_at: now, rests_until: None });
        }
        if exchange.is_gone() || claimed.attempt >= i32::from(self.config.attempts_max) {
            return Ok(Verdict { status: "failed", due_at: now, rests_until: None });
        }
        let pause = self.pauses.after(claimed.attempt.unsigned_abs(), rand::random());
        let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
        let asked = exchange.retry_after.unwrap_or_default();
        let rests_until = if asked.is_positive() { Some(after(asked)?) } else { None };
        Ok(Verdict { status: "waiting", due_at: after(pause.max(asked))?, rests_until })
    }

    async fn give_up_when_due(
        &self,
        worker: &mut UnitOfWork,
        claimed: &Claimed,
        exchange: &Exchange,
        (failing_since, failures): (Option<Timestamp>, i32),
        now: Timestamp,
    ) -> fault::Result<()> {
        let patience = SignedDuration::from_hours(i64::from(self.config.disable_after_hours));
        let long = failing_since.is_some_and(|since| now.duration_since(since) >= patience);
        let reason = match () {
            () if exchange.is_gone() => "gone",
            () if long && failures >= FAILURES_MIN => "failing",
            () => return Ok(()),
        };
        let contact: Option<String> = sqlx::query_scalar(
            "UPDATE webhook_endpoints SET enabled = false, disabled_reason = $2 \
             WHERE endpoint_id = $1 AND enabled RETURNING contact_email",
        )
        .bind(claimed.endpoint.as_uuid())
        .bind(reason)
        .fetch_optional(worker.connection())
        .await
        .map_err(storage)?;
        match contact {
            Some(contact) => self.tell(worker, claimed, reason, &contact, now).await,
            None => Ok(()),
        }
    }

    /// An endpoint that was given up is news: an event, and a mail to whoever looks after it.
    async fn tell(
        &self,
        worker: &mut UnitOfWork,
        claimed: &Claimed,
        reason: &str,
        contact: &str,
        now: Timestamp,
    ) -> fault::Result<()> {
        let operation_id = OperationId::derived(&[
            "webhook_endpoint.disabled",
            &claimed.delivery.to_string(),
            &claimed.attempt.to_string(),
        ]);
        worker.set_context(CommandContext {
            tenant: claimed.tenant,
            actor: "service:notify".to_owned(),
            operation_id,
            correlation_id: operation_id.as_uuid(),
            causation_id: None,
            traceparent: None,
            at: now,
        });
        let disabled = EndpointDisabled {
            endpoint: claimed.endpoint,
            url: claimed.url.clone(),
            reason: reason.to_owned(),
        };
        worker
            .append_fact(ENDPOINT, claimed.endpoint.as_uuid(), NotifyEvent::EndpointDisabled(disabled))
            .await?;
        metrics::webhook_endpoint_disabled();
        let operator = wording::settings(worker.connection(), claimed.tenant).await?.operator_email;
        let contact = if contact.is_empty() { &operator } else { contact };
        if contact.is_empty() {
            return Ok(());
        }
        let values = [("url", claimed.url.clone()), ("reason", reason.to_owned()), ("at", now.to_string())];
        let mail = NewMail {
            template: "webhook_endpoint.disabled".to_owned(),
            locale: String::new(),
            recipient: contact.to_owned(),
            user: None,
            variables: values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        self.mails.put(worker.connection(), claimed.tenant, operation_id, &mail).await.map(drop)
    }
}

async fn settle(
    on: &mut PgConnection,
    claimed: &Claimed,
    verdict: &Verdict,
    exchange: &Exchange,
    now: Timestamp,
) -> fault::Result<bool> {
    let done = sqlx::query(
        "UPDATE webhook_deliveries SET status = $3, due_at = $4, last_status = $5, last_error = $6, \
         ended_at = CASE WHEN $3 = 'waiting' THEN NULL ELSE $7 END \
         WHERE delivery_id = $1 AND attempts = $2 AND status = 'sending'",
    )
    .bind(claimed.delivery.as_uuid())
    .bind(claimed.attempt)
    .bind(verdict.status)
    .bind(verdict.due_at.to_sqlx())
    .bind(i32::from(exchange.status))
    .bind(&exchange.error)
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

/// The log. A delivery that was removed meanwhile has none.
async fn note(
    on: &mut PgConnection,
    claimed: &Claimed,
    exchange: &Exchange,
    began: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO webhook_attempts (tenant_id, delivery_id, attempt, at, duration_ms, url, request_headers, \
         status, response_headers, response_body, error) \
         SELECT tenant_id, delivery_id, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM webhook_deliveries \
         WHERE delivery_id = $1 ON CONFLICT DO NOTHING",
    )
    .bind(claimed.delivery.as_uuid())
    .bind(claimed.attempt)
    .bind(began.to_sqlx())
    .bind(i32::try_from(exchange.duration.as_millis()).unwrap_or(i32::MAX))
    .bind(&claimed.url)
    .bind(Json(&exchange.request_headers))
    .bind(i32::from(exchange.status))
    .bind(Json(&exchange.response_headers))
    .bind(&exchange.response_body)
    .bind(&exchange.error)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The lane has room again. Answers since when it fails, and how often in a row.
async fn lane(
    on: &mut PgConnection,
    claimed: &Claimed,
    verdict: &Verdict,
    exchange: &Exchange,
    now: Timestamp,
) -> fault::Result<(Option<Timestamp>, i32)> {
    let row: Option<(Option<jiff_sqlx::Timestamp>, i32)> = sqlx::query_as(
        "UPDATE webhook_lanes SET look_at = $2, \
         failing_since = CASE WHEN $3 THEN NULL ELSE coalesce(failing_since, $2) END, \
         failures = CASE WHEN $3 THEN 0 ELSE failures + 1 END, \
         paused_until = CASE WHEN $3 THEN paused_until ELSE greatest(paused_until, $4) END \
         WHERE endpoint_id = $1 RETURNING failing_since, failures",
    )
    .bind(claimed.endpoint.as_uuid())
    .bind(now.to_sqlx())
    .bind(exchange.succeeded())
    .bind(verdict.rests_until.map(|until| until.to_sqlx()))
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map_or((None, 0), |(since, failures)| (since.map(jiff_sqlx::Timestamp::to_jiff), failures)))
}
