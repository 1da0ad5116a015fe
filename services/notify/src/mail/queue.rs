//! The queue of mails: how they get in, and how they are taken out.
//!
//! Enqueueing is one insert whose unique key (tenant, operation) makes repeated and concurrent
//! calls the same mail. Claiming locks rows with SKIP LOCKED and moves `due_at` to the end of the
//! lease, in one statement; so two replicas never take the same attempt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{CommandContext, EventStore, storage};
use fault::Fault;
use ids::{MailId, OperationId, TenantId, UserId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use kernel::Clock;
use sqlx::PgConnection;
use tokio::sync::Notify;
use uuid::Uuid;

use super::once::{NewMail, earlier, fingerprint};
use super::{address, locale_tag};
use crate::catalogue;
use crate::config::MailConfig;
use crate::metrics;
use crate::pauses::Pauses;
use crate::secrets::Secrets;

const CLAIM: &str = "WITH due AS ( \
       SELECT mail_id FROM mails WHERE status = 'queued' AND due_at <= $1 \
       ORDER BY urgency, due_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
     UPDATE mails m SET attempts = attempts + 1, due_at = $3 FROM due WHERE m.mail_id = due.mail_id \
     RETURNING m.mail_id, m.tenant_id, m.template, m.locale, m.recipient, m.user_id, m.variables, \
       m.attempts, m.attempts_before, m.created_at";
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
    /// How many of them were made before somebody had it sent again.
    pub attempts_before: i32,
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
    attempts_before: i32,
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

    /// How mails are sent.
    pub(super) fn config(&self) -> &MailConfig {
        &self.0.config
    }

    /// How long to wait after so many attempts.
    pub(super) fn pause_after(&self, attempts: u32) -> Duration {
        self.0.pauses.after(attempts, rand::random())
    }

    /// Says that there is something in the queue.
    pub(crate) fn ring(&self) {
        self.0.arrived.notify_one();
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
        self.ring();
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
            attempts_before: row.attempts_before,
            created_at: row.created_at.to_jiff(),
        })
    }
}

fn seal_context(id: MailId) -> String {
    format!("mail:{id}")
}

pub(super) fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
