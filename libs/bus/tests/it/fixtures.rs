//! A database, a broker, a service that publishes invoices, and consumers that take notes.
#![allow(clippy::disallowed_methods, reason = "tests have no runtime crate to spawn with")]

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bus::{Bus, CloudEvent, Consumer, EventOutbox, Limits, Outbound, run_consumer, run_relay};
use contracts::vbwd::invoicing::v1::InvoicePaid;
use eventstore::testing::TestStore;
use eventstore::{CommandContext, EventStore, WorkerUnit};
use fault::Fault;
use ids::{EventId, OperationId, TenantId};
use kernel::{Clock as _, StoredEvent, SystemClock};
use serde::{Deserialize, Serialize};
use servers::Nats;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
pub const SCHEMA: &str = "vbwd.invoicing.v1.InvoicePaid";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paid {
    pub number: i64,
}

kernel::events! {
    /// What can happen to an invoice here.
    pub enum InvoiceEvent {
        /// It was paid, again and again.
        "invoice.paid" 1 => Paid(Paid),
    }
}

/// A service under test: store and broker, and what runs on them.
pub struct World {
    pub database: TestStore,
    pub nats: Nats,
    pub bus: Bus,
    pub drain: CancellationToken,
    tasks: Vec<JoinHandle<fault::Result<()>>>,
}

impl World {
    pub async fn new() -> Self {
        static OWN: OnceLock<servers::Postgres> = OnceLock::new();
        let server = std::env::var("VBWD_TEST_POSTGRES_URL")
            .unwrap_or_else(|_| OWN.get_or_init(|| servers::Postgres::ephemeral().unwrap()).url());
        Self::on(&server).await
    }

    /// On a database server that the test may stop.
    pub async fn on(server: &str) -> Self {
        let notes = "CREATE TABLE notes (id bigserial PRIMARY KEY, noun text, number bigint)";
        let database = TestStore::new(server, notes).await;
        let nats = Nats::ephemeral().unwrap();
        let bus = Bus::connect(&nats.url(), "").await.unwrap();
        Self { database, nats, bus, drain: CancellationToken::new(), tasks: Vec::new() }
    }

    pub fn store(&self) -> &EventStore {
        &self.database.store
    }

    pub fn outbox(&self) -> EventOutbox {
        EventOutbox::new(self.store().clone(), published)
    }

    pub fn relay(&mut self) {
        let relay = run_relay(self.bus.clone(), self.outbox(), self.drain.clone());
        self.tasks.push(tokio::spawn(relay));
    }

    pub fn consume(&mut self, consumer: impl Consumer) {
        let (bus, store) = (self.bus.clone(), self.store().clone());
        self.tasks.push(tokio::spawn(run_consumer(bus, store, consumer, self.drain.clone())));
    }

    /// Stops what runs and starts no more; the drain must end well.
    pub async fn stop(&mut self) {
        self.drain.cancel();
        for task in self.tasks.drain(..) {
            tokio::time::timeout(Duration::from_secs(20), task).await.unwrap().unwrap().unwrap();
        }
        self.drain = CancellationToken::new();
    }

    /// Records `count` payments, spread over `nouns` in turn, in commits of fifty.
    pub async fn pay(&self, tenant: TenantId, nouns: &[Uuid], count: i64) {
        let mut unit = self.store().begin(&context(tenant)).await.unwrap();
        for (number, noun) in (1..=count).zip(nouns.iter().cycle()) {
            let event = InvoiceEvent::Paid(Paid { number });
            unit.append_fact("invoice", *noun, event).await.unwrap();
            if number % 50 == 0 {
                unit.commit().await.unwrap();
                unit = self.store().begin(&context(tenant)).await.unwrap();
            }
        }
        unit.commit().await.unwrap();
    }

    /// What consumers have noted, by noun, in the order of their effects.
    pub async fn notes(&self) -> HashMap<String, Vec<i64>> {
        let rows = sqlx::query_as("SELECT noun, number FROM notes ORDER BY id");
        let rows: Vec<(String, i64)> = rows.fetch_all(&self.database.superuser).await.unwrap();
        let mut notes: HashMap<String, Vec<i64>> = HashMap::new();
        for (noun, number) in rows {
            notes.entry(noun).or_default().push(number);
        }
        notes
    }

    /// How many notes there are; none while the database is away.
    pub async fn noted(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM notes");
        count.fetch_one(&self.database.superuser).await.unwrap_or(-1)
    }

    pub async fn messages(&self) -> u64 {
        let jetstream = async_nats::jetstream::new(self.bus.client().clone());
        match jetstream.get_stream(self.bus.stream_name()).await {
            Ok(stream) => stream.cached_info().state.messages,
            Err(_) => 0,
        }
    }
}

pub async fn until<F: Future<Output = bool>>(patience: Duration, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + patience;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {patience:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

pub fn context(tenant: TenantId) -> CommandContext {
    CommandContext {
        tenant,
        actor: "user:somebody".to_owned(),
        operation_id: OperationId::new(),
        correlation_id: OperationId::new().as_uuid(),
        causation_id: None,
        traceparent: Some(TRACEPARENT.to_owned()),
        at: SystemClock.wall(),
    }
}

pub fn new_uuid() -> Uuid {
    EventId::new().as_uuid()
}

/// The number travels in the invoice's number.
pub fn published(stored: &StoredEvent) -> fault::Result<Vec<Outbound>> {
    let InvoiceEvent::Paid(Paid { number }) = stored.decode().map_err(eventstore::unknown_event)?;
    let message = InvoicePaid {
        invoice_id: stored.stream.to_string(),
        number: number.to_string(),
        ..InvoicePaid::default()
    };
    let invoice_paid = (SCHEMA, &message);
    Ok(vec![Outbound::of(stored, "invoicing", "invoice", "invoice.paid", invoice_paid)?])
}

/// Notes every event; fails as told.
#[derive(Clone, Default)]
pub struct Notes {
    pub poison: Option<i64>,
    pub flaky: Arc<AtomicU32>,
    pub seen: Arc<Mutex<Vec<CloudEvent>>>,
}

impl Consumer for Notes {
    fn name(&self) -> &'static str {
        "notes"
    }

    fn subjects(&self) -> &'static str {
        "evt.*.invoicing.invoice.*.v1"
    }

    fn limits(&self) -> Limits {
        Limits { attempts_max: 3, ..Limits::default() }
    }

    async fn handle(&self, work: &mut WorkerUnit, event: &CloudEvent) -> fault::Result<()> {
        let paid: InvoicePaid = event.data()?;
        let number: i64 = paid.number.parse().map_err(Fault::internal)?;
        sqlx::query("INSERT INTO notes (noun, number) VALUES ($1, $2)")
            .bind(&event.subject)
            .bind(number)
            .execute(work.connection())
            .await
            .map_err(eventstore::storage)?;
        self.seen.lock().unwrap().push(event.clone());
        if self.poison == Some(number) {
            return Err(Fault::rejected("poisonous", "This event cannot be handled."));
        }
        if self.flaky.load(Ordering::SeqCst) > 0 {
            self.flaky.fetch_sub(1, Ordering::SeqCst);
            return Err(Fault::unavailable("flaky", "not now"));
        }
        Ok(())
    }
}
