//! What every tail does between its steps: win the leadership, rest, stumble and get up again.

use std::time::Duration;

use eventstore::{EventStore, Leadership, Pulse};
use fault::Fault;
use kernel::Position;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Events per look at the log.
pub(crate) const BATCH: usize = 500;
/// How often a replica that does not lead asks again.
const STANDBY: Duration = Duration::from_secs(1);
/// Longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// One replica's claim to a log.
pub(crate) struct Tail {
    pub leadership: Leadership,
    pub pulse: Pulse,
    pub drain: CancellationToken,
    pause: Duration,
}

impl Tail {
    pub(crate) fn new(store: &EventStore, name: &str, drain: CancellationToken) -> Self {
        Self { leadership: store.leadership(name), pulse: store.pulse(), drain, pause: Duration::ZERO }
    }

    pub(crate) fn name(&self) -> &str {
        self.leadership.name()
    }

    /// Waits for the leadership and answers the saved cursor; `None` when the drain came first.
    pub(crate) async fn lead(&mut self) -> fault::Result<Option<Position>> {
        while !self.drain.is_cancelled() {
            if self.leadership.acquire().await? {
                return self.leadership.cursor().await.map(Some);
            }
            self.drain.run_until_cancelled(sleep(STANDBY)).await;
        }
        Ok(None)
    }

    /// Waits until another look makes sense, or until the drain.
    pub(crate) async fn rest(&mut self) {
        metrics::caught_up(self.leadership.name());
        self.drain.run_until_cancelled(self.pulse.rest()).await;
    }

    /// Goes on after a transient fault, later each time; a permanent one is answered.
    pub(crate) async fn stumble(&mut self, fault: Fault) -> fault::Result<()> {
        metrics::failed(self.name());
        if !fault.is_transient() {
            tracing::error!(tail = self.name(), ?fault, "stopped");
            return Err(fault);
        }
        tracing::warn!(tail = self.name(), ?fault, "cannot go on for now");
        self.pause = (self.pause * 2).clamp(Duration::from_millis(50), PAUSE_MAX);
        self.drain.run_until_cancelled(sleep(self.pause)).await;
        Ok(())
    }

    /// A step went well.
    pub(crate) fn steady(&mut self) {
        self.pause = Duration::ZERO;
        self.pulse.found();
    }
}
