//! The twin of the store in memory, for tests of what stands above a log.

use std::sync::{Arc, Mutex, PoisonError};

use ids::TenantId;
use kernel::{Position, StoredEvent};
use uuid::Uuid;

use crate::append::Target;
use crate::error::stale;
use crate::{CommandContext, Log, NewEvent};

/// A log that is forgotten when its last clone is dropped.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<Vec<StoredEvent>>>);

impl MemoryStore {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, look: impl FnOnce(&mut Vec<StoredEvent>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log for MemoryStore {
    async fn append(
        &self,
        context: &CommandContext,
        kind: &str,
        stream: Uuid,
        expected: i64,
        events: Vec<NewEvent>,
    ) -> fault::Result<Vec<StoredEvent>> {
        let target = Target { context, kind, stream };
        self.with(|log| {
            let members = log.iter().filter(|event| belongs(event, context.tenant, kind, stream));
            if members.map(|event| event.revision).max().unwrap_or(0) != expected {
                return Err(stale());
            }
            let transaction = log.last().map_or(1, |last| last.position.transaction + 1);
            let mut stored = target.unplaced(expected, events);
            for (event, sequence) in stored.iter_mut().zip(1 + log.len() as u64..) {
                event.position = Position { transaction, sequence };
            }
            log.extend(stored.iter().cloned());
            Ok(stored)
        })
    }

    async fn stream(&self, tenant: TenantId, kind: &str, stream: Uuid) -> fault::Result<Vec<StoredEvent>> {
        Ok(self
            .with(|log| log.iter().filter(|event| belongs(event, tenant, kind, stream)).cloned().collect()))
    }

    async fn after(&self, position: Position, limit: usize) -> fault::Result<Vec<StoredEvent>> {
        Ok(self
            .with(|log| log.iter().filter(|event| event.position > position).take(limit).cloned().collect()))
    }
}

fn belongs(event: &StoredEvent, tenant: TenantId, kind: &str, stream: Uuid) -> bool {
    event.tenant == tenant && event.kind == kind && event.stream == stream
}
