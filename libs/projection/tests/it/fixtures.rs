//! One server for the run, one database per test, and a log of little payments.
#![allow(clippy::disallowed_methods, reason = "tests have no runtime crate to spawn with")]

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use eventstore::testing::TestStore;
use eventstore::{CommandContext, EventStore};
use ids::{EventId, OperationId, TenantId};
use kernel::{Clock as _, SystemClock};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paid {
    pub number: i64,
}

kernel::events! {
    /// What can happen here.
    pub enum PaymentEvent {
        /// Somebody paid.
        "payment.made" 1 => Paid(Paid),
    }
}

/// A store, and what runs on it.
pub struct World {
    pub database: TestStore,
    pub drain: CancellationToken,
    tasks: Vec<JoinHandle<fault::Result<()>>>,
}

impl World {
    pub async fn new() -> Self {
        static OWN: OnceLock<servers::Postgres> = OnceLock::new();
        let server = std::env::var("VBWD_TEST_POSTGRES_URL")
            .unwrap_or_else(|_| OWN.get_or_init(|| servers::Postgres::ephemeral().unwrap()).url());
        let tables = "CREATE TABLE sums (noun uuid PRIMARY KEY, sum bigint, last bigint); \
                      CREATE TABLE firings (id bigserial, timer uuid)";
        let database = TestStore::new(&server, tables).await;
        Self { database, drain: CancellationToken::new(), tasks: Vec::new() }
    }

    pub fn store(&self) -> EventStore {
        self.database.store.clone()
    }

    pub fn run(&mut self, task: impl Future<Output = fault::Result<()>> + Send + 'static) {
        self.tasks.push(tokio::spawn(task));
    }

    /// Stops what runs; answers how each task ended.
    pub async fn stop(&mut self) -> Vec<fault::Result<()>> {
        self.drain.cancel();
        let mut ends = Vec::new();
        for task in self.tasks.drain(..) {
            ends.push(tokio::time::timeout(Duration::from_secs(20), task).await.unwrap().unwrap());
        }
        self.drain = CancellationToken::new();
        ends
    }

    /// Records `count` payments, spread over `nouns` in turn.
    pub async fn pay(&self, nouns: &[Uuid], count: i64) {
        let context = context(TenantId::new());
        let mut unit = self.database.store.begin(&context).await.unwrap();
        for (number, noun) in (1..=count).zip(nouns.iter().cycle()) {
            unit.append_fact("payment", *noun, PaymentEvent::Paid(Paid { number })).await.unwrap();
            if number % 50 == 0 {
                unit.commit().await.unwrap();
                unit = self.database.store.begin(&context).await.unwrap();
            }
        }
        unit.commit().await.unwrap();
    }

    /// Makes the `place`-th event one that no program can read.
    pub async fn spoil(&self, place: i64) {
        self.execute_on_event("UPDATE events SET name = 'payment.unheard_of'", place).await;
    }

    pub async fn unspoil(&self, place: i64) {
        self.execute_on_event("UPDATE events SET name = 'payment.made'", place).await;
    }

    async fn execute_on_event(&self, update: &str, place: i64) {
        let statement = format!(
            "{update} WHERE event_id = (SELECT event_id FROM events ORDER BY transaction, sequence \
             OFFSET {place} LIMIT 1)"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&self.database.superuser).await.unwrap();
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        let count = sqlx::query_scalar::<_, Option<i64>>(query);
        count.fetch_one(&self.database.superuser).await.unwrap().unwrap_or_default()
    }
}

pub async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub fn context(tenant: TenantId) -> CommandContext {
    CommandContext {
        tenant,
        actor: "user:somebody".to_owned(),
        operation_id: OperationId::new(),
        correlation_id: new_uuid(),
        causation_id: None,
        traceparent: None,
        at: SystemClock.wall(),
    }
}

pub fn new_uuid() -> Uuid {
    EventId::new().as_uuid()
}
