//! One event and one reactor, from the first attempt to the end.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use eventstore::{DeadLetter, EventStore, mark_replayed, open_dead_letter, record_dead_letter, traced};
use fault::{Code, Fault};
use futures::FutureExt as _;
use ids::EventId;
use kernel::{Clock as _, StoredEvent, SystemClock};
use serde_json::{Value, json};
use tokio::time::sleep;
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;

use crate::{Reactor, metrics};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Attempts before an internal fault buries the event.
const INTERNAL_ATTEMPTS_MAX: u32 = 5;

/// Asks until the reactor is done or the event is buried. Transient faults are repeated for ever:
/// what waits behind them in the stream must not overtake. What a rule refuses is buried at once;
/// an internal fault says little about the next attempt and gets a few.
pub(crate) async fn settle<R: Reactor>(store: &EventStore, reactor: &R, event: &StoredEvent) {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let Err(fault) = ask(reactor, event).await else { return };
        metrics::failed(&reactor.cursor_name());
        tracing::warn!(reactor = reactor.name(), event = %event.event_id, attempts, ?fault, "no reaction");
        if gives_up(&fault, attempts) {
            match bury(store, reactor, event, attempts, &fault).await {
                Ok(()) => return metrics::buried(&reactor.cursor_name()),
                Err(fault) => tracing::error!(reactor = reactor.name(), ?fault, "cannot bury"),
            }
        }
        sleep(pause(attempts)).await;
    }
}

/// Asks a reactor again about an event that it gave up; answers whether the letter was open.
///
/// # Errors
/// What the reactor says; the letter stays open then.
pub async fn replay<R: Reactor>(store: &EventStore, reactor: &R, letter: Uuid) -> fault::Result<bool> {
    let mut worker = store.begin_worker(None).await?;
    let found = open_dead_letter(worker.connection(), reactor.name(), letter).await?;
    worker.rollback().await?;
    let Some(letter) = found else { return Ok(false) };
    let event = store.event(letter.event_id).await?.ok_or_else(|| Fault::not_found("event"))?;
    ask(reactor, &event).await?;
    let mut worker = store.begin_worker(None).await?;
    let closed = mark_replayed(worker.connection(), letter.id, SystemClock.wall()).await?;
    worker.commit().await?;
    Ok(closed)
}

async fn ask<R: Reactor>(reactor: &R, event: &StoredEvent) -> fault::Result<()> {
    let span = tracing::info_span!(
        "react", reactor = reactor.name(), event = %event.event_id, kind = event.name, trace_id = Empty
    );
    let reaction = reactor.react(event).instrument(traced(event.metadata.traceparent.as_deref(), span));
    let answer = AssertUnwindSafe(reaction).catch_unwind().await;
    answer.unwrap_or_else(|_| Err(Fault::internal("the reactor panicked")))
}

async fn bury<R: Reactor>(
    store: &EventStore,
    reactor: &R,
    event: &StoredEvent,
    attempts: u32,
    fault: &Fault,
) -> fault::Result<()> {
    let letter = DeadLetter {
        id: EventId::new().as_uuid(),
        tenant: event.tenant,
        consumer: reactor.name().to_owned(),
        event_id: event.event_id,
        subject: format!("{}/{}", event.kind, event.stream),
        payload: describe_event(event),
        error: eventstore::with_causes(fault),
        attempts: attempts.cast_signed(),
        at: SystemClock.wall(),
        replayed_at: None,
    };
    let mut worker = store.begin_worker(Some(event.tenant)).await?;
    record_dead_letter(worker.connection(), &letter).await?;
    worker.commit().await.map(drop)
}

fn describe_event(event: &StoredEvent) -> Value {
    json!({
        "name": event.name,
        "version": event.version,
        "revision": event.revision,
        "position": event.position.to_string(),
        "payload": event.payload,
        "metadata": event.metadata,
    })
}

fn gives_up(fault: &Fault, attempts: u32) -> bool {
    match fault.code() {
        Code::Internal => attempts >= INTERNAL_ATTEMPTS_MAX,
        _ => !fault.is_transient(),
    }
}

fn pause(attempts: u32) -> Duration {
    (FIRST_PAUSE * 2_u32.saturating_pow((attempts - 1).min(12))).min(PAUSE_MAX)
}
