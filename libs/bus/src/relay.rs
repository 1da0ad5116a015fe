//! The relay: from the outbox to the broker, nothing lost.

use std::time::Duration;

use fault::Fault;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::publish::publish_all;
use crate::{Bus, Outbound, OutboxSource, metrics};

/// Entries per look at the log.
const BATCH: usize = 500;
/// How often a replica that does not lead asks again.
const STANDBY: Duration = Duration::from_secs(1);
/// Longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Publishes what stands in the outbox until `drain` is cancelled. While the broker or the
/// database is away it tries again for ever.
///
/// # Errors
/// An event that cannot be translated: it is never skipped.
pub async fn run_relay(
    bus: Bus,
    mut source: impl OutboxSource,
    drain: CancellationToken,
) -> fault::Result<()> {
    let ended = Relay::new(&bus, &mut source).run(&drain).await;
    source.resign().await;
    ended
}

/// Publishes everything behind the cursor `from` again and answers how many events that were. The
/// saved cursor stays; consumers know the events by their ids.
///
/// # Errors
/// The broker or the database failed; what was published before stays published.
pub async fn republish(bus: &Bus, source: &mut impl OutboxSource, from: &str) -> fault::Result<u64> {
    bus.ensure_stream().await?;
    let mut cursor = from.to_owned();
    let mut published = 0;
    loop {
        let entries = source.after(&cursor, BATCH).await?;
        let Some((last, _)) = entries.last() else { return Ok(published) };
        cursor.clone_from(last);
        published += publish_entries(bus, &entries).await?;
    }
}

struct Relay<'a, S> {
    bus: &'a Bus,
    source: &'a mut S,
    /// `None` until leadership is won, and again after a failure.
    cursor: Option<String>,
}

impl<'a, S: OutboxSource> Relay<'a, S> {
    const fn new(bus: &'a Bus, source: &'a mut S) -> Self {
        Self { bus, source, cursor: None }
    }

    async fn run(&mut self, drain: &CancellationToken) -> fault::Result<()> {
        let mut pulse = self.source.pulse();
        let mut pause = Duration::ZERO;
        while !drain.is_cancelled() {
            match self.step().await {
                Ok(Some(entries)) => {
                    pause = Duration::ZERO;
                    if entries > 0 {
                        pulse.found();
                    } else {
                        drain.run_until_cancelled(pulse.rest()).await;
                    }
                }
                Ok(None) => drop(drain.run_until_cancelled(sleep(STANDBY)).await),
                Err(fault) if fault.is_transient() => {
                    self.stumbled(&fault);
                    pause = (pause * 2).clamp(Duration::from_millis(50), PAUSE_MAX);
                    drain.run_until_cancelled(self.recover(pause)).await;
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// One look at the log; `None` when another replica leads.
    async fn step(&mut self) -> fault::Result<Option<usize>> {
        if !self.source.lead().await? {
            self.cursor = None;
            return Ok(None);
        }
        let cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => self.start().await?,
        };
        let entries = self.source.after(&cursor, BATCH).await?;
        if let Some((last, _)) = entries.last() {
            let published = publish_entries(self.bus, &entries).await?;
            self.source.save_cursor(last).await?;
            metrics::published(self.source.name(), published);
        }
        let behind = entries.last().map_or(cursor, |(last, _)| last.clone());
        self.cursor = Some(behind);
        Ok(Some(entries.len()))
    }

    async fn start(&mut self) -> fault::Result<String> {
        self.bus.ensure_stream().await?;
        self.source.saved_cursor().await
    }

    /// The broker's return is worth waking for.
    async fn recover(&self, pause: Duration) {
        sleep(pause).await;
        self.bus.connected().await;
    }

    fn stumbled(&mut self, fault: &Fault) {
        self.cursor = None;
        metrics::relay_failed(self.source.name());
        tracing::warn!(relay = self.source.name(), ?fault, "cannot publish for now");
    }
}

async fn publish_entries(bus: &Bus, entries: &[(String, Vec<Outbound>)]) -> fault::Result<u64> {
    let batch: Vec<&Outbound> = entries.iter().flat_map(|(_, outbounds)| outbounds).collect();
    publish_all(bus, &batch).await?;
    Ok(batch.len() as u64)
}
