//! The port behind the store: what PostgreSQL and memory both do, and the conformance suite tests.

use std::future::Future;

use ids::TenantId;
use kernel::{DomainEvent, Position, StoredEvent};
use serde_json::Value;
use uuid::Uuid;

use crate::CommandContext;

/// An event that has no place yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// Stored name.
    pub name: String,
    /// Version of the payload.
    pub version: u16,
    /// Payload.
    pub payload: Value,
}

impl NewEvent {
    /// The stored form of a domain event.
    pub fn of<E: DomainEvent>(event: &E) -> Self {
        Self { name: event.name().to_owned(), version: event.version(), payload: event.payload() }
    }
}

/// Streams of events with optimistic concurrency and one global order without gaps.
pub trait Log: Send + Sync {
    /// Appends behind revision `expected` (0 = the stream must be new), in one commit.
    ///
    /// Fails with `StaleRevision` when the stream has moved on; then nothing is written.
    fn append(
        &self,
        context: &CommandContext,
        kind: &str,
        stream: Uuid,
        expected: i64,
        events: Vec<NewEvent>,
    ) -> impl Future<Output = fault::Result<Vec<StoredEvent>>> + Send;

    /// Every event of a stream, oldest first.
    fn stream(
        &self,
        tenant: TenantId,
        kind: &str,
        stream: Uuid,
    ) -> impl Future<Output = fault::Result<Vec<StoredEvent>>> + Send;

    /// At most `limit` events of all tenants behind `position`, in order, without gaps.
    fn after(
        &self,
        position: Position,
        limit: usize,
    ) -> impl Future<Output = fault::Result<Vec<StoredEvent>>> + Send;
}
