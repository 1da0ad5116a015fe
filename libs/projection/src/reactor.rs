//! Reactions to the service's own events.
//!
//! Streams are worked on side by side, each in its order. The cursor moves only over a completed
//! prefix: after a crash everything behind it is asked again.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use eventstore::{EventStore, Lanes};
use futures::FutureExt as _;
use kernel::{Position, StoredEvent};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::metrics;
use crate::reaction::settle;
use crate::tail::{BATCH, Tail};

/// Events in hand, working, waiting or done behind one that is not.
const WINDOW: usize = 2_000;
/// The cursor is written at most this often.
const SAVE_EVERY: Duration = Duration::from_millis(100);
/// How long running work may take to finish when the reactor stops.
const FINISH: Duration = Duration::from_secs(5);

/// Acts on events of its own service.
///
/// The same event may be asked about again after a crash: use operation ids derived from its id.
/// An event that does not concern it is answered with `Ok`.
pub trait Reactor: Send + Sync + 'static {
    /// Name of the cursor and of its dead letters: `on_invoice_paid`.
    fn name(&self) -> &'static str;

    /// Streams worked on at the same time.
    fn concurrency(&self) -> usize {
        16
    }

    /// Acts. Transient faults are asked again, internal ones and panics a few times; what is refused
    /// ends in the dead letters at once.
    fn react(&self, event: &StoredEvent) -> impl Future<Output = fault::Result<()>> + Send;

    /// Name of the cursor in the table.
    #[doc(hidden)]
    fn cursor_name(&self) -> String {
        format!("reactor:{}", self.name())
    }
}

/// Works until `drain` is cancelled; then finishes what runs.
///
/// # Errors
/// A permanent fault of the database.
pub async fn run_reactor<R: Reactor>(
    store: EventStore,
    reactor: R,
    drain: CancellationToken,
) -> fault::Result<()> {
    let mut tail = Tail::new(&store, &reactor.cursor_name(), drain);
    let ended = keep_up(&store, &reactor, &mut tail).await;
    tail.leadership.resign().await;
    ended
}

async fn keep_up<R: Reactor>(store: &EventStore, reactor: &R, tail: &mut Tail) -> fault::Result<()> {
    while !tail.drain.is_cancelled() {
        let ended = match tail.lead().await {
            Ok(Some(cursor)) => Work::new(store, reactor, cursor).run(tail).await,
            Ok(None) => Ok(()),
            Err(fault) => Err(fault),
        };
        if let Err(fault) = ended {
            tail.stumble(fault).await?;
        }
    }
    Ok(())
}

/// One stretch of leadership.
struct Work<'a> {
    lanes: Lanes<'a, Uuid, StoredEvent, Position>,
    /// Everything behind the cursor, in order, and whether it is done.
    window: VecDeque<(Position, bool)>,
    read_up_to: Position,
    cursor: Position,
    saved: Position,
    saved_at: Instant,
    at_end: bool,
}

impl<'a> Work<'a> {
    fn new<R: Reactor>(store: &'a EventStore, reactor: &'a R, cursor: Position) -> Self {
        let start = move |event: StoredEvent| {
            async move {
                settle(store, reactor, &event).await;
                metrics::lag(&reactor.cursor_name(), &event);
                event.position
            }
            .boxed()
        };
        Self {
            lanes: Lanes::new(reactor.concurrency(), start),
            window: VecDeque::new(),
            read_up_to: cursor,
            cursor,
            saved: cursor,
            saved_at: Instant::now(),
            at_end: false,
        }
    }

    async fn run(mut self, tail: &mut Tail) -> fault::Result<()> {
        let drain = tail.drain.clone();
        while !drain.is_cancelled() {
            self.save(tail, false).await?;
            if !self.at_end && self.window.len() < WINDOW {
                self.read(tail).await?;
            }
            if self.lanes.is_empty() && self.at_end {
                self.save(tail, true).await?;
                metrics::caught_up(tail.name());
            }
            let may_read = self.at_end && self.window.len() < WINDOW;
            tokio::select! {
                () = drain.cancelled() => {}
                Some(done) = self.lanes.next() => self.complete(done),
                () = tail.pulse.rest(), if may_read => self.at_end = false,
            }
        }
        self.finish(tail).await
    }

    async fn read(&mut self, tail: &mut Tail) -> fault::Result<()> {
        let events = tail.leadership.events_after(self.read_up_to, BATCH).await?;
        self.at_end = events.len() < BATCH;
        if let Some(last) = events.last() {
            self.read_up_to = last.position;
            metrics::worked_off(tail.name(), events.len());
            tail.steady();
        }
        for event in events {
            self.window.push_back((event.position, false));
            self.lanes.push(event.stream, event);
        }
        Ok(())
    }

    fn complete(&mut self, done: Position) {
        if let Ok(place) = self.window.binary_search_by_key(&done, |(position, _)| *position)
            && let Some(entry) = self.window.get_mut(place)
        {
            entry.1 = true;
        }
        while let Some((position, true)) = self.window.front().copied() {
            self.cursor = position;
            self.window.pop_front();
        }
    }

    async fn save(&mut self, tail: &mut Tail, now: bool) -> fault::Result<()> {
        if self.cursor > self.saved && (now || self.saved_at.elapsed() >= SAVE_EVERY) {
            tail.leadership.advance(self.cursor).await?;
            self.saved = self.cursor;
            self.saved_at = Instant::now();
        }
        Ok(())
    }

    /// Finishes what runs, if that does not take long.
    async fn finish(mut self, tail: &mut Tail) -> fault::Result<()> {
        self.lanes.forget_waiting();
        let deadline = Instant::now() + FINISH;
        while let Ok(Some(done)) =
            timeout(deadline.saturating_duration_since(Instant::now()), self.lanes.next()).await
        {
            self.complete(done);
        }
        self.save(tail, true).await
    }
}
