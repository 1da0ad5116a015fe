//! One server for the run, one database per test, and a small aggregate.

use std::sync::OnceLock;

use eventstore::CommandContext;
use eventstore::testing::TestStore;
use ids::{OperationId, TenantId};
use jiff::Timestamp;
use kernel::Aggregate;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub async fn database() -> TestStore {
    static OWN: OnceLock<servers::Postgres> = OnceLock::new();
    let server = std::env::var("VBWD_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| OWN.get_or_init(|| servers::Postgres::ephemeral().unwrap()).url());
    TestStore::new(&server, "CREATE TABLE notes (id bigint PRIMARY KEY, text text)").await
}

pub fn context(tenant: TenantId) -> CommandContext {
    CommandContext {
        tenant,
        actor: "user:somebody".to_owned(),
        operation_id: OperationId::new(),
        correlation_id: OperationId::new().as_uuid(),
        causation_id: None,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        at: "2026-11-23T10:00:00.123456Z".parse::<Timestamp>().unwrap(),
    }
}

pub fn new_uuid() -> Uuid {
    ids::EventId::new().as_uuid()
}

/// A jar that holds at most ten.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Jar {
    pub content: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filled {
    pub by: i64,
}

kernel::events! {
    /// What can happen to a jar.
    pub enum JarEvent {
        /// Something was put in.
        "jar.filled" 1 => Filled(Filled),
    }
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("full")]
pub struct Full;

impl Aggregate for Jar {
    const KIND: &'static str = "jar";
    type Command = i64;
    type Event = JarEvent;
    type Rejection = Full;

    fn decide(&self, by: i64, _at: Timestamp) -> Result<Vec<JarEvent>, Full> {
        if self.content + by > 10 { Err(Full) } else { Ok(vec![filled(by)]) }
    }

    fn evolve(&mut self, JarEvent::Filled(Filled { by }): &JarEvent) {
        self.content += by;
    }
}

pub fn filled(by: i64) -> JarEvent {
    JarEvent::Filled(Filled { by })
}
