//! Things that fall due: renewals, expiries, retries of a provider.
//!
//! A timer is a row, written in the transaction that needs it. Any number of replicas look for due
//! rows; one takes a row by moving its `retry_at` ahead (a lease) under `FOR UPDATE SKIP LOCKED`
//! and commits before it acts, so that no transaction waits for a provider. A timer therefore
//! fires at least once, and never on two replicas within the lease. For an effect that happens
//! exactly once, [`complete`] the timer in the transaction of the effect.
//!
//! "Due" is judged by the tenant's clock, retries by the machine's: a tenant whose test clock
//! stands still still sees its retries.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{DeadLetter, EventStore, record_dead_letter, storage};
use fault::Fault;
use futures::{FutureExt as _, StreamExt as _};
use ids::{EventId, TenantId};
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use kernel::Clock;
use serde_json::Value;
use sqlx::PgConnection;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::metrics;

/// How often due timers are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Timers of one tenant taken at once.
const BATCH: i64 = 50;
/// Timers acted on at the same time.
const WIDTH: usize = 8;
/// How long a taken timer is left to whoever took it, and the most that acting on it may take.
const LEASE: Duration = Duration::from_secs(60);
/// Attempts after which a timer with a permanent fault becomes a dead letter.
const ATTEMPTS_MAX: i32 = 10;

/// Something that falls due.
#[derive(Debug, Clone, PartialEq)]
pub struct Timer {
    /// Its identity; scheduling the same again moves it.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: TenantId,
    /// What is to be done: `expire_payment`.
    pub kind: String,
    /// To what: the id of a noun.
    pub subject: Uuid,
    /// When, in the tenant's time.
    pub due_at: Timestamp,
    /// How often it was tried, the present attempt included.
    pub attempts: i32,
    /// What the handler needs to know.
    pub payload: Value,
}

impl Timer {
    /// A timer whose id follows from tenant, kind and subject: there is one of them.
    #[must_use]
    pub fn new(tenant: TenantId, kind: &str, subject: Uuid, due_at: Timestamp, payload: Value) -> Self {
        let id = EventId::derived(&["timer", &tenant.to_string(), kind, &subject.to_string()]).as_uuid();
        Self { id, tenant, kind: kind.to_owned(), subject, due_at, attempts: 0, payload }
    }
}

/// Somebody who acts on timers.
pub trait TimerHandler: Send + Sync + 'static {
    /// Name in logs and dead letters: `payments_timers`.
    fn name(&self) -> &'static str;

    /// The kinds it acts on; others are left to other handlers.
    fn kinds(&self) -> &'static [&'static str];

    /// Acts. `Ok` removes the timer, unless it was scheduled anew meanwhile; a fault lets it fire
    /// again later. May be called again for the same timer after a crash.
    fn fire(&self, timer: &Timer) -> impl Future<Output = fault::Result<()>> + Send;
}

/// Schedules a timer, or moves it, in the transaction of `connection`.
///
/// # Errors
/// Faults of the database.
pub async fn schedule(connection: &mut PgConnection, timer: &Timer) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO timers (timer_id, tenant_id, kind, subject, due_at, payload) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (timer_id) DO UPDATE SET due_at = excluded.due_at, payload = excluded.payload, \
         attempts = 0, retry_at = NULL",
    )
    .bind(timer.id)
    .bind(timer.tenant.as_uuid())
    .bind(&timer.kind)
    .bind(timer.subject)
    .bind(timer.due_at.to_sqlx())
    .bind(&timer.payload)
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Takes back the timers of a kind for a subject; answers how many there were.
///
/// # Errors
/// Faults of the database.
pub async fn cancel(
    connection: &mut PgConnection,
    tenant: TenantId,
    kind: &str,
    subject: Uuid,
) -> fault::Result<u64> {
    let gone = sqlx::query("DELETE FROM timers WHERE tenant_id = $1 AND kind = $2 AND subject = $3")
        .bind(tenant.as_uuid())
        .bind(kind)
        .bind(subject)
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(gone.rows_affected())
}

/// Removes a timer in the transaction of its effect; `false` means that it is gone or was moved,
/// and the effect must not happen.
///
/// # Errors
/// Faults of the database.
pub async fn complete(connection: &mut PgConnection, timer: &Timer) -> fault::Result<bool> {
    let gone = sqlx::query("DELETE FROM timers WHERE timer_id = $1 AND due_at = $2 AND attempts = $3")
        .bind(timer.id)
        .bind(timer.due_at.to_sqlx())
        .bind(timer.attempts)
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(gone.rows_affected() == 1)
}

/// Acts on due timers until `drain` is cancelled; then finishes what runs.
///
/// # Errors
/// None at present; faults of the database are waited out.
pub async fn run_timers<H: TimerHandler>(
    store: EventStore,
    clock: Arc<dyn Clock>,
    handler: H,
    drain: CancellationToken,
) -> fault::Result<()> {
    let round = Round { store: &store, clock: clock.as_ref(), handler: &handler };
    while !drain.is_cancelled() {
        let fired = round.run().await.unwrap_or_else(|fault| {
            tracing::warn!(timers = handler.name(), ?fault, "cannot look for timers for now");
            0
        });
        if fired == 0 {
            drain.run_until_cancelled(sleep(LOOK_EVERY)).await;
        }
    }
    Ok(())
}

struct Round<'a, H> {
    store: &'a EventStore,
    clock: &'a dyn Clock,
    handler: &'a H,
}

impl<H: TimerHandler> Round<'_, H> {
    /// Takes and fires what is due; answers how many timers that were.
    async fn run(&self) -> fault::Result<usize> {
        let mut taken = Vec::new();
        for tenant in self.tenants().await? {
            taken.extend(self.take(tenant).await?);
        }
        let count = taken.len();
        futures::stream::iter(taken).for_each_concurrent(WIDTH, |timer| self.fire(timer)).await;
        Ok(count)
    }

    /// Tenants that have timers at all, by skipping through the index.
    async fn tenants(&self) -> fault::Result<Vec<TenantId>> {
        let mut worker = self.store.begin_worker(None).await?;
        let tenants: Vec<Uuid> = sqlx::query_scalar(
            "WITH RECURSIVE found AS ( \
               (SELECT tenant_id FROM timers ORDER BY tenant_id LIMIT 1) \
               UNION ALL \
               SELECT (SELECT t.tenant_id FROM timers t WHERE t.tenant_id > found.tenant_id \
                       ORDER BY t.tenant_id LIMIT 1) \
               FROM found WHERE found.tenant_id IS NOT NULL) \
             SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL",
        )
        .fetch_all(worker.connection())
        .await
        .map_err(storage)?;
        worker.rollback().await?;
        Ok(tenants.into_iter().map(TenantId::from_uuid).collect())
    }

    async fn take(&self, tenant: TenantId) -> fault::Result<Vec<Timer>> {
        let wall = self.clock.wall();
        let lease = wall.saturating_add(LEASE).map_err(Fault::internal)?;
        let mut worker = self.store.begin_worker(Some(tenant)).await?;
        let rows: Vec<Row> = sqlx::query_as(
            "UPDATE timers SET retry_at = $4, attempts = attempts + 1 WHERE timer_id IN ( \
               SELECT timer_id FROM timers WHERE tenant_id = $1 AND due_at <= $2 AND kind = ANY($3) \
               AND (retry_at IS NULL OR retry_at <= $5) ORDER BY due_at LIMIT $6 FOR UPDATE SKIP LOCKED) \
             RETURNING timer_id, tenant_id, kind, subject, due_at, attempts, payload",
        )
        .bind(tenant.as_uuid())
        .bind(self.clock.now(tenant).to_sqlx())
        .bind(self.handler.kinds())
        .bind(lease.to_sqlx())
        .bind(wall.to_sqlx())
        .bind(BATCH)
        .fetch_all(worker.connection())
        .await
        .map_err(storage)?;
        worker.commit().await?;
        Ok(rows.into_iter().map(Timer::from).collect())
    }

    async fn fire(&self, timer: Timer) {
        let acted = AssertUnwindSafe(timeout(LEASE, self.handler.fire(&timer))).catch_unwind().await;
        let acted = match acted {
            Ok(Ok(acted)) => acted,
            Ok(Err(_)) => Err(Fault::unavailable("timer_slow", "the handler took longer than the lease")),
            Err(_) => Err(Fault::internal("the handler panicked")),
        };
        let settled = match acted {
            Ok(()) => self.done(&timer).await,
            Err(fault) => self.failed(&timer, &fault).await,
        };
        if let Err(fault) = settled {
            // The lease runs out and the timer fires again.
            tracing::warn!(timer = %timer.id, kind = timer.kind, ?fault, "timer not settled");
        }
    }

    async fn done(&self, timer: &Timer) -> fault::Result<()> {
        metrics::fired(&timer.kind, "done", timer.due_at);
        let mut worker = self.store.begin_worker(Some(timer.tenant)).await?;
        complete(worker.connection(), timer).await?;
        worker.commit().await.map(drop)
    }

    async fn failed(&self, timer: &Timer, fault: &Fault) -> fault::Result<()> {
        tracing::warn!(timer = %timer.id, kind = timer.kind, attempts = timer.attempts, ?fault, "timer failed");
        let dead = !fault.is_transient() && timer.attempts >= ATTEMPTS_MAX;
        metrics::fired(&timer.kind, if dead { "dead" } else { "failed" }, timer.due_at);
        let mut worker = self.store.begin_worker(Some(timer.tenant)).await?;
        if dead {
            record_dead_letter(worker.connection(), &self.letter(timer, fault)).await?;
            complete(worker.connection(), timer).await?;
        } else {
            self.postpone(worker.connection(), timer).await?;
        }
        worker.commit().await.map(drop)
    }

    async fn postpone(&self, connection: &mut PgConnection, timer: &Timer) -> fault::Result<()> {
        let seconds = 1_i64 << timer.attempts.clamp(0, 9);
        let again = self.clock.wall().saturating_add(SignedDuration::from_secs(seconds));
        sqlx::query("UPDATE timers SET retry_at = $3 WHERE timer_id = $1 AND attempts = $2")
            .bind(timer.id)
            .bind(timer.attempts)
            .bind(again.map_err(Fault::internal)?.to_sqlx())
            .execute(connection)
            .await
            .map_err(storage)?;
        Ok(())
    }

    fn letter(&self, timer: &Timer, fault: &Fault) -> DeadLetter {
        DeadLetter {
            id: EventId::new().as_uuid(),
            tenant: timer.tenant,
            consumer: self.handler.name().to_owned(),
            event_id: EventId::from_uuid(timer.id),
            subject: format!("timer/{}/{}", timer.kind, timer.subject),
            payload: timer.payload.clone(),
            error: eventstore::with_causes(fault),
            attempts: timer.attempts,
            at: self.clock.wall(),
            replayed_at: None,
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    timer_id: Uuid,
    tenant_id: Uuid,
    kind: String,
    subject: Uuid,
    due_at: jiff_sqlx::Timestamp,
    attempts: i32,
    payload: Value,
}

impl From<Row> for Timer {
    fn from(row: Row) -> Self {
        Self {
            id: row.timer_id,
            tenant: TenantId::from_uuid(row.tenant_id),
            kind: row.kind,
            subject: row.subject,
            due_at: row.due_at.to_jiff(),
            attempts: row.attempts,
            payload: row.payload,
        }
    }
}
