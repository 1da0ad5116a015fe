//! The loop that empties the lanes: claim, send, end. Any number of replicas run it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use eventstore::{EventStore, storage};
use fault::Fault;
use futures::StreamExt as _;
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx as _;
use kernel::Clock;
use runtime::Drain;
use tokio::sync::Notify;

use super::claim::{Claimed, claim};
use super::deliver::Sender;
use super::end::Ender;
use crate::config::WebhookConfig;
use crate::mail::Queue;
use crate::pauses::Pauses;
use crate::secrets::Secrets;

/// How often lanes are looked at when nothing is going on.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);
const SWEPT_AT_A_TIME: i64 = 1_000;
const SWEEPS: [&str; 3] = [
    "DELETE FROM webhook_deliveries WHERE delivery_id IN (SELECT delivery_id FROM webhook_deliveries \
       WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)",
    "DELETE FROM webhook_messages WHERE (tenant_id, event_id) IN (SELECT m.tenant_id, m.event_id \
       FROM webhook_messages m WHERE m.at < $1 AND NOT EXISTS (SELECT FROM webhook_deliveries d \
       WHERE d.tenant_id = m.tenant_id AND d.event_id = m.event_id) ORDER BY m.at LIMIT $2)",
    "DELETE FROM webhook_replays WHERE replay_id IN (SELECT replay_id FROM webhook_replays \
       WHERE created_at < $1 AND last_position >= until_position LIMIT $2)",
];

/// Delivers what is queued.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    store: EventStore,
    clock: Arc<dyn Clock>,
    secrets: Arc<Secrets>,
    config: Arc<WebhookConfig>,
    sender: Sender,
    ender: Ender,
    ended: Arc<Notify>,
}

impl Dispatcher {
    pub(crate) fn new(
        store: EventStore,
        clock: Arc<dyn Clock>,
        secrets: Arc<Secrets>,
        config: &WebhookConfig,
        (sender, mails): (Sender, Queue),
    ) -> Self {
        let seconds = |number: u32| Duration::from_secs(u64::from(number));
        let (first, longest) = (seconds(config.first_pause_seconds), seconds(config.pause_seconds_max));
        let (pauses, config) = (Pauses { first, factor: 4, longest }, Arc::new(config.clone()));
        let ender = Ender { store: store.clone(), config: Arc::clone(&config), pauses, mails };
        Self { store, clock, secrets, config, sender, ender, ended: Arc::default() }
    }

    /// Delivers until told to stop; what has begun is finished. Claiming goes on while deliveries
    /// run, and takes no more than there is room for.
    pub(crate) async fn run(self, drain: Drain) -> fault::Result<()> {
        let running = Arc::new(AtomicUsize::new(0));
        let start = (self.clone(), drain, Arc::clone(&running));
        let claims = stream::unfold(start, |(this, drain, running)| async move {
            let taken = this.more(&drain, &running).await?;
            Some((stream::iter(taken), (this, drain, running)))
        });
        let deliveries = claims.flatten().for_each_concurrent(None, |claimed| {
            let (this, running) = (self.clone(), Arc::clone(&running));
            async move {
                this.deliver(claimed).await;
                running.fetch_sub(1, Ordering::Relaxed);
                this.ended.notify_one();
            }
        });
        deliveries.await;
        Ok(())
    }

    /// What may begin now; none when it is time to stop.
    async fn more(&self, drain: &Drain, running: &AtomicUsize) -> Option<Vec<Claimed>> {
        if drain.is_cancelled() {
            return None;
        }
        let room = usize::from(self.config.concurrency).saturating_sub(running.load(Ordering::Relaxed));
        let taken = self.take(room).await;
        if taken.is_empty() {
            drain.run_until_cancelled(self.rest()).await;
        }
        running.fetch_add(taken.len(), Ordering::Relaxed);
        Some(taken)
    }

    /// Until a delivery ends or it is time to look again.
    async fn rest(&self) {
        tokio::select! {
            () = self.ended.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }

    /// Forgets ended deliveries and old messages, once an hour.
    pub(crate) async fn sweep(self, drain: Drain) -> fault::Result<()> {
        loop {
            let kept = SignedDuration::from_hours(24 * i64::from(self.config.kept_days));
            let before = self.clock.wall().saturating_sub(kept).map_err(Fault::internal)?;
            for statement in SWEEPS {
                while self.sweep_some(statement, before).await? > 0 && !drain.is_cancelled() {}
            }
            if drain.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn sweep_some(&self, statement: &'static str, before: Timestamp) -> fault::Result<u64> {
        let mut worker = self.store.begin_worker(None).await?;
        let sweep = sqlx::query(statement).bind(before.to_sqlx()).bind(SWEPT_AT_A_TIME);
        let gone = sweep.execute(worker.connection()).await.map_err(storage)?.rows_affected();
        worker.commit().await?;
        Ok(gone)
    }

    async fn take(&self, room: usize) -> Vec<Claimed> {
        if room == 0 {
            return Vec::new();
        }
        let taken = claim(&self.store, &self.secrets, self.clock.wall(), self.config.lease(), room).await;
        taken.unwrap_or_else(|fault| {
            tracing::warn!(?fault, "webhooks cannot be claimed for now");
            Vec::new()
        })
    }

    /// Whatever goes wrong here, the lease of the delivery runs out and it is sent again.
    async fn deliver(&self, claimed: Claimed) {
        let began = self.clock.wall();
        let exchange = self.sender.send(&claimed, began).await;
        if let Err(fault) = self.ender.end(&claimed, &exchange, began, self.clock.wall()).await {
            tracing::warn!(delivery = %claimed.delivery, ?fault, "the end of a delivery was not kept");
        }
    }
}
