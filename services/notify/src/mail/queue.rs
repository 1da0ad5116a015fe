//! The queue of mails.
//!
//! Enqueueing is one insert whose unique key (tenant, operation) makes repeated and concurrent
//! calls the same mail. Claiming locks rows with SKIP LOCKED and moves `due_at` to the end of the
//! lease, in one statement; so two replicas never take the same attempt. The number of the attempt
//! is the fence: an attempt that outlived its lease can no longer end the mail.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{CommandContext, EventStore, UnitOfWork, body_hash, storage};
use fault::{Code, Fault};
use ids::{MailId, OperationId, TenantId, UserId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use kernel::Clock;
use prost::Message as _;
use runtime::Drain;
use sqlx::PgConnection;
use tokio::sync::Notify;
use uuid::Uuid;

use super::address;
use super::smtp::Outcome;
use crate::catalogue;
use crate::config::MailConfig;
use crate::events::{MAIL, MailFailed, NotifyEvent};
use crate::metrics;
use crate::pauses::Pauses;
use crate::secrets::Secrets;

const CLAIM: &str = "WITH due AS ( \
       SELECT mail_id FROM mails WHERE status = 'queued' AND due_at <= $1 \
       ORDER BY urgency, due_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
     UPDATE mails m SET attempts = attempts + 1, due_at = $3 FROM due WHERE m.mail_id = due.mail_id \
     RETURNING m.mail_id, m.tenant_id, m.template, m.locale, m.recipient, m.user_id, m.variables, \
       m.attempts, m.created_at";
const SWEEP: &str = "DELETE FROM mails WHERE mail_id IN \
     (SELECT mail_id FROM mails WHERE ended_at < $1 ORDER BY ended_at LIMIT 1000)";
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// A mail to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewMail {
    pub template: String,
    /// Empty: the tenant's.
    pub locale: String,
    pub recipient: String,
    pub user: Option<UserId>,
    pub variables: BTreeMap<String, String>,
}

/// A mail that is being sent by whoever holds this.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub mail: MailId,
    pub tenant: TenantId,
    pub template: String,
    pub locale: String,
    pub recipient: String,
    pub user: Option<UserId>,
    pub variables: BTreeMap<String, String>,
    /// Which attempt this is; also the fence.
    pub attempt: i32,
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    mail_id: Uuid,
    tenant_id: Uuid,
    template: String,
    locale: String,
    recipient: String,
    user_id: Option<Uuid>,
    variables: Option<Vec<u8>>,
    attempts: i32,
    created_at: jiff_sqlx::Timestamp,
}

/// The queue.
#[derive(Clone)]
pub(crate) struct Queue(Arc<Inner>);

struct Inner {
    store: EventStore,
    clock: Arc<dyn Clock>,
    secrets: Arc<Secrets>,
    config: MailConfig,
    pauses: Pauses,
    arrived: Notify,
}

impl Queue {
    pub(crate) fn new(
        store: EventStore,
        clock: Arc<dyn Clock>,
        secrets: Arc<Secrets>,
        config: MailConfig,
    ) -> Self {
        let seconds = |number: u32| Duration::from_secs(u64::from(number));
        let pauses = Pauses {
            first: seconds(config.first_pause_seconds),
            factor: 2,
            longest: seconds(config.pause_seconds_max),
        };
        Self(Arc::new(Inner { store, clock, secrets, config, pauses, arrived: Notify::new() }))
    }

    /// The machine's time: mails wait for it, not for a tenant's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.wall()
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> &EventStore {
        &self.0.store
    }

    /// The keys of this service.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    /// Resolves when this process may have put something into the queue.
    pub(crate) async fn arrived(&self) {
        self.0.arrived.notified().await;
    }

    /// Puts a mail into the queue, in a transaction of its own.
    pub(crate) async fn enqueue(&self, context: &CommandContext, mail: &NewMail) -> fault::Result<MailId> {
        let mut unit = self.0.store.begin(context).await?;
        let id = self.put(unit.connection(), context.tenant, context.operation_id, mail).await?;
        unit.commit().await?;
        self.0.arrived.notify_one();
        Ok(id)
    }

    /// Puts a mail into the queue, in the transaction of `on`. The same operation with the same
    /// mail is the same row, however often and however concurrently it is asked for.
    pub(crate) async fn put(
        &self,
        on: &mut PgConnection,
        tenant: TenantId,
        operation: OperationId,
        mail: &NewMail,
    ) -> fault::Result<MailId> {
        let kind = catalogue::kind(&mail.template)
            .ok_or_else(|| Fault::invalid("/template", "unknown", "There is no such template."))?;
        kind.check(&mail.variables)?;
        let recipient = address::recipient(&mail.recipient)?.to_string();
        let (id, hash, now) = (MailId::new(), fingerprint(mail), self.now());
        let taken = sqlx::query(
            "INSERT INTO mails (mail_id, tenant_id, operation_id, body_hash, template, locale, recipient, \
             user_id, variables, urgency, status, due_at, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'queued', $11, $11) \
             ON CONFLICT (tenant_id, operation_id) DO NOTHING",
        )
        .bind(id.as_uuid())
        .bind(tenant.as_uuid())
        .bind(operation.as_uuid())
        .bind(hash.as_slice())
        .bind(kind.key)
        .bind(locale_tag(&mail.locale)?)
        .bind(recipient)
        .bind(mail.user.map(UserId::as_uuid))
        .bind(self.seal(id, &mail.variables)?)
        .bind(kind.category.urgency())
        .bind(now.to_sqlx())
        .execute(&mut *on)
        .await
        .map_err(storage)?;
        if taken.rows_affected() == 1 {
            metrics::mail_queued();
            return Ok(id);
        }
        earlier(on, tenant, operation, &hash).await
    }

    /// Takes up to `limit` mails that are due, for one attempt each.
    pub(crate) async fn claim(&self, limit: usize) -> fault::Result<Vec<Claimed>> {
        let now = self.now();
        let lease_ends = now.saturating_add(signed(self.0.config.lease())).map_err(Fault::internal)?;
        let mut worker = self.0.store.begin_worker(None).await?;
        let rows: Vec<Row> = sqlx::query_as(CLAIM)
            .bind(now.to_sqlx())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(lease_ends.to_sqlx())
            .fetch_all(worker.connection())
            .await
            .map_err(storage)?;
        worker.commit().await?;
        rows.into_iter().map(|row| self.claimed(row)).collect()
    }

    /// Notes how an attempt ended, and decides what follows. Answers whether the mail was still
    /// held by this attempt.
    pub(crate) async fn end(
        &self,
        claimed: &Claimed,
        subject: &str,
        outcome: &Outcome,
    ) -> fault::Result<bool> {
        let now = self.now();
        let mut worker = self.0.store.begin_worker(Some(claimed.tenant)).await?;
        note(worker.connection(), claimed, outcome, now).await?;
        let last = claimed.attempt >= i32::from(self.0.config.attempts_max);
        let (status, due_at) = match outcome {
            Outcome::Accepted(_) => ("sent", now),
            Outcome::Refused(_) => ("dead", now),
            Outcome::Deferred(_) | Outcome::Unknown(_) if last => ("dead", now),
            Outcome::Deferred(_) | Outcome::Unknown(_) => ("queued", self.again_at(claimed, now)?),
        };
        let held = settle(worker.connection(), claimed, (status, due_at), subject, outcome, now).await?;
        if held && status == "dead" {
            self.mourn(&mut worker, claimed, now).await?;
        }
        worker.commit().await?;
        observe(claimed, status, now);
        Ok(held)
    }

    /// Ends a mail that its recipient does not want.
    pub(crate) async fn suppress(&self, claimed: &Claimed) -> fault::Result<bool> {
        let now = self.now();
        let mut worker = self.0.store.begin_worker(Some(claimed.tenant)).await?;
        let unwanted = Outcome::Refused("the recipient has unsubscribed".to_owned());
        let held = settle(worker.connection(), claimed, ("suppressed", now), "", &unwanted, now).await?;
        worker.commit().await?;
        Ok(held)
    }

    /// Forgets ended mails, once an hour.
    pub(crate) async fn sweep(self, drain: Drain) -> fault::Result<()> {
        loop {
            let kept = SignedDuration::from_hours(24 * i64::from(self.0.config.kept_days));
            let before = self.now().saturating_sub(kept).map_err(Fault::internal)?;
            while self.sweep_some(before).await? > 0 && !drain.is_cancelled() {}
            if drain.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn sweep_some(&self, before: Timestamp) -> fault::Result<u64> {
        let mut worker = self.0.store.begin_worker(None).await?;
        let gone = sqlx::query(SWEEP).bind(before.to_sqlx()).execute(worker.connection()).await;
        let gone = gone.map_err(storage)?.rows_affected();
        worker.commit().await?;
        Ok(gone)
    }

    fn again_at(&self, claimed: &Claimed, now: Timestamp) -> fault::Result<Timestamp> {
        let pause = self.0.pauses.after(claimed.attempt.unsigned_abs(), rand::random());
        now.saturating_add(signed(pause)).map_err(Fault::internal)
    }

    /// A mail that was given up is news for others.
    async fn mourn(&self, worker: &mut UnitOfWork, claimed: &Claimed, now: Timestamp) -> fault::Result<()> {
        let operation_id = OperationId::derived(&["mail.failed", &claimed.mail.to_string()]);
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
        let event = NotifyEvent::MailFailed(MailFailed { mail, template, user: claimed.user });
        worker.append_fact(MAIL, mail.as_uuid(), event).await.map(drop)
    }

    fn seal(&self, id: MailId, variables: &BTreeMap<String, String>) -> fault::Result<Vec<u8>> {
        let plain = serde_json::to_vec(variables).map_err(Fault::internal)?;
        self.0.secrets.seal(&seal_context(id), &plain)
    }

    fn claimed(&self, row: Row) -> fault::Result<Claimed> {
        let mail = MailId::from_uuid(row.mail_id);
        let sealed = row.variables.ok_or_else(|| Fault::internal("a queued mail has no variables"))?;
        let plain = self.0.secrets.open(&seal_context(mail), &sealed)?;
        Ok(Claimed {
            mail,
            tenant: TenantId::from_uuid(row.tenant_id),
            template: row.template,
            locale: row.locale,
            recipient: row.recipient,
            user: row.user_id.map(UserId::from_uuid),
            variables: serde_json::from_slice(&plain).map_err(Fault::internal)?,
            attempt: row.attempts,
            created_at: row.created_at.to_jiff(),
        })
    }
}

/// The mail that an earlier call with the same operation made.
async fn earlier(
    on: &mut PgConnection,
    tenant: TenantId,
    operation: OperationId,
    hash: &[u8; 32],
) -> fault::Result<MailId> {
    let (id, stored): (Uuid, Vec<u8>) =
        sqlx::query_as("SELECT mail_id, body_hash FROM mails WHERE tenant_id = $1 AND operation_id = $2")
            .bind(tenant.as_uuid())
            .bind(operation.as_uuid())
            .fetch_one(on)
            .await
            .map_err(storage)?;
    if stored == hash {
        return Ok(MailId::from_uuid(id));
    }
    let message = "This operation id was used before with another mail.";
    Err(Fault::new(Code::OperationReused, "operation_id_reused", message))
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
         variables = CASE WHEN $3 = 'queued' THEN variables END \
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

/// What makes two calls the same call.
fn fingerprint(mail: &NewMail) -> [u8; 32] {
    let request = contracts::vbwd::notify::v1::EnqueueMailRequest {
        template: mail.template.clone(),
        locale: mail.locale.clone(),
        recipient: mail.recipient.clone(),
        user_id: mail.user.map(|user| user.to_string()).unwrap_or_default(),
        variables: std::collections::HashMap::new(),
    };
    let mut whole = request.encode_to_vec();
    for (name, value) in &mail.variables {
        // Lengths first, so that what ends one value cannot begin the next.
        whole.extend(format!("{}:{name}{}:{value}", name.len(), value.len()).bytes());
    }
    body_hash("EnqueueMail", &prost_types::Any { type_url: String::new(), value: whole })
}

/// A language tag, as far as the queue must know it.
pub(crate) fn locale_tag(text: &str) -> fault::Result<String> {
    let fits = text.len() <= 35
        && text
            .split('-')
            .all(|part| part.len() <= 8 && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Fault::invalid("/locale", "malformed", "This is no language tag."))
    }
}

fn seal_context(id: MailId) -> String {
    format!("mail:{id}")
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
