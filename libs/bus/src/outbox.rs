//! Where the relay reads: any log with a cursor that one replica at a time may work off.

use std::future::Future;

use eventstore::{EventStore, Leadership, Pulse};
use fault::Fault;
use kernel::{Position, StoredEvent};

use crate::Outbound;

/// A log to publish from. Cursors are texts that only the source understands; the empty text is
/// the start.
pub trait OutboxSource: Send {
    /// What it is called in logs and metrics: `invoicing`.
    fn name(&self) -> &str;

    /// Becomes or stays the one replica that publishes; cheap when it is. `false`: another one is.
    fn lead(&mut self) -> impl Future<Output = fault::Result<bool>> + Send;

    /// Lets another replica have it.
    fn resign(&mut self) -> impl Future<Output = ()> + Send;

    /// What stands behind `cursor`, in order: each entry with the cursor behind it. An entry
    /// without anything to publish only moves the cursor. Needs no leadership.
    fn after(
        &mut self,
        cursor: &str,
        limit: usize,
    ) -> impl Future<Output = fault::Result<Vec<(String, Vec<Outbound>)>>> + Send;

    /// How far everything was published.
    fn saved_cursor(&mut self) -> impl Future<Output = fault::Result<String>> + Send;

    /// Notes how far everything was published; only the leader may.
    fn save_cursor(&mut self, cursor: &str) -> impl Future<Output = fault::Result<()>> + Send;

    /// When to look again.
    fn pulse(&self) -> Pulse {
        Pulse::new(None)
    }
}

/// Chooses and translates what is published of a stored event. What it does not list stays
/// private; an event it cannot read is an error and stops the relay.
pub type Mapper = fn(&StoredEvent) -> fault::Result<Vec<Outbound>>;

/// The event table as an outbox.
pub struct EventOutbox {
    store: EventStore,
    mapper: Mapper,
    leadership: Leadership,
}

impl EventOutbox {
    /// The outbox of `store`, translated by `mapper`.
    #[must_use]
    pub fn new(store: EventStore, mapper: Mapper) -> Self {
        let leadership = store.leadership("relay");
        Self { store, mapper, leadership }
    }
}

impl OutboxSource for EventOutbox {
    fn name(&self) -> &str {
        self.store.service()
    }

    async fn lead(&mut self) -> fault::Result<bool> {
        self.leadership.acquire().await
    }

    async fn resign(&mut self) {
        self.leadership.resign().await;
    }

    async fn after(&mut self, cursor: &str, limit: usize) -> fault::Result<Vec<(String, Vec<Outbound>)>> {
        let position = parse(cursor)?;
        let events = if self.leadership.is_held() {
            self.leadership.events_after(position, limit).await?
        } else {
            self.store.events_after(position, limit).await?
        };
        let entry = |event: &StoredEvent| Ok((event.position.to_string(), (self.mapper)(event)?));
        events.iter().map(entry).collect()
    }

    async fn saved_cursor(&mut self) -> fault::Result<String> {
        Ok(self.leadership.cursor().await?.to_string())
    }

    async fn save_cursor(&mut self, cursor: &str) -> fault::Result<()> {
        self.leadership.advance(parse(cursor)?).await
    }

    fn pulse(&self) -> Pulse {
        self.store.pulse()
    }
}

fn parse(cursor: &str) -> fault::Result<Position> {
    if cursor.is_empty() { Ok(Position::START) } else { cursor.parse().map_err(Fault::internal) }
}
