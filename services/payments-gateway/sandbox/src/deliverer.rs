//! Sends due webhooks until each was taken with a 2xx.
//!
//! Rows are claimed with a lease (`FOR UPDATE SKIP LOCKED`), sent outside any transaction and then
//! marked, so that any number of senders share the work and a killed one loses nothing: its lease
//! runs out and another sender repeats. Receivers therefore may see a webhook twice, which is what
//! real providers promise as well. A few lanes work side by side, so that one slow batch does not
//! hold up the others.

use std::time::Duration;

use fault::Fault;
use futures::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use runtime::Drain;
use uuid::Uuid;

use crate::sandbox::Sandbox;
use crate::store::storage;
use crate::{Config, metrics};

const LANES: usize = 4;
const BATCH: i64 = 64;
/// How often the table is looked at when nobody woke us.
const POLL: Duration = Duration::from_millis(200);
/// How long a receiver may take.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// After this a claimed webhook belongs to nobody; well above the longest batch.
const LEASE: SignedDuration = SignedDuration::from_secs(30);

const CLAIM: &str = "UPDATE deliveries SET attempts = attempts + 1, due_at = $2 WHERE delivery_id IN ( \
      SELECT delivery_id FROM deliveries WHERE due_at <= $1 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) \
    RETURNING delivery_id, event_id, body, attempts";

const MARK: &str = "UPDATE deliveries SET due_at = m.due_at, last_error = m.error, \
      delivered_at = CASE WHEN m.error IS NULL THEN $4 END \
    FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS m(delivery_id, due_at, error) \
    WHERE deliveries.delivery_id = m.delivery_id";

#[derive(sqlx::FromRow)]
struct Claimed {
    delivery_id: Uuid,
    event_id: String,
    body: String,
    attempts: i32,
}

/// How a sending ended: when to try again, and what went wrong.
struct Outcome {
    delivery_id: Uuid,
    due_at: Option<Timestamp>,
    error: Option<String>,
}

/// Sends webhooks until told to drain.
///
/// # Errors
/// When the database cannot be used; the caller starts again.
pub async fn deliver(sandbox: Sandbox, config: Config, drain: Drain) -> fault::Result<()> {
    let client = reqwest::Client::builder()
        .timeout(SEND_TIMEOUT)
        .pool_max_idle_per_host(config.webhooks_in_flight_max)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(Fault::internal)?;
    let sender = Sender { sandbox, config, client };
    let lanes = (0..LANES).map(|_| sender.lane(&drain));
    futures::future::try_join_all(lanes).await.map(|_| ())
}

struct Sender {
    sandbox: Sandbox,
    config: Config,
    client: reqwest::Client,
}

impl Sender {
    async fn lane(&self, drain: &Drain) -> fault::Result<()> {
        while !drain.is_cancelled() {
            let batch = self.claim().await?;
            if batch.is_empty() {
                tokio::select! {
                    () = drain.cancelled() => {}
                    () = self.sandbox.due().notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
                continue;
            }
            self.sandbox.due().notify_one(); // there may be more: another lane looks meanwhile
            let in_flight = (self.config.webhooks_in_flight_max / LANES).max(1);
            let sent = stream::iter(batch).map(|webhook| self.send(webhook)).buffer_unordered(in_flight);
            self.mark(sent.collect().await).await?;
        }
        Ok(())
    }

    async fn claim(&self) -> fault::Result<Vec<Claimed>> {
        let now = self.sandbox.now();
        sqlx::query_as(CLAIM)
            .bind(now.to_sqlx())
            .bind(after(now, LEASE).to_sqlx())
            .bind(BATCH)
            .fetch_all(self.sandbox.pool())
            .await
            .map_err(storage)
    }

    async fn send(&self, webhook: Claimed) -> Outcome {
        let error = self.post(&webhook).await.err();
        let Some(error) = error else {
            metrics::sent();
            return Outcome { delivery_id: webhook.delivery_id, due_at: None, error: None };
        };
        metrics::failed();
        let again = webhook.attempts < self.config.webhook_attempts_max;
        let pause = SignedDuration::try_from(self.config.retry_pause(webhook.attempts)).unwrap_or(LEASE);
        tracing::debug!(
            event = webhook.event_id,
            attempts = webhook.attempts,
            error,
            again,
            "webhook not taken"
        );
        let due_at = again.then(|| after(self.sandbox.now(), pause));
        Outcome { delivery_id: webhook.delivery_id, due_at, error: Some(error) }
    }

    async fn post(&self, webhook: &Claimed) -> Result<(), String> {
        let timestamp = self.sandbox.now().as_second();
        let signature = self.sandbox.credentials().sign(&webhook.event_id, timestamp, &webhook.body);
        let signature = signature.map_err(|fault| fault.to_string())?;
        let answer = self
            .client
            .post(&self.config.webhook_url)
            .header("content-type", "application/json")
            .header("webhook-id", &webhook.event_id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(webhook.body.clone())
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status();
        // Reading the answer to its end lets the connection be used again.
        let body = answer.text().await.unwrap_or_default();
        if status.is_success() { Ok(()) } else { Err(format!("{status} {}", excerpt(&body))) }
    }

    async fn mark(&self, outcomes: Vec<Outcome>) -> fault::Result<()> {
        let ids: Vec<_> = outcomes.iter().map(|outcome| outcome.delivery_id).collect();
        let due: Vec<_> = outcomes.iter().map(|outcome| outcome.due_at.map(|due| due.to_sqlx())).collect();
        let errors: Vec<_> = outcomes.into_iter().map(|outcome| outcome.error).collect();
        sqlx::query(MARK)
            .bind(ids)
            .bind(due)
            .bind(errors)
            .bind(self.sandbox.now().to_sqlx())
            .execute(self.sandbox.pool())
            .await
            .map_err(storage)?;
        Ok(())
    }
}

fn after(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.saturating_add(by).unwrap_or(now)
}

fn excerpt(body: &str) -> String {
    body.chars().take(200).collect()
}
