//! One event, from its first attempt to its end: handled, known already, or dead.
//!
//! The inbox row is written in the transaction of the effect, so a duplicate finds either both or
//! neither. Attempts are repeated here, in place, and not by the broker: a redelivery would let
//! later events of the same noun overtake.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use eventstore::{
    CommandContext, DeadLetter, EventStore, UnitOfWork, mark_replayed, open_dead_letter, record_dead_letter,
    storage, traced, with_causes,
};
use fault::Fault;
use futures::FutureExt as _;
use ids::{EventId, OperationId};
use jiff_sqlx::ToSqlx as _;
use kernel::{Clock as _, SystemClock};
use tokio::time::sleep;
use tracing::Instrument as _;
use tracing::field::Empty;
use uuid::Uuid;

use crate::{CloudEvent, Consumer, metrics};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Handled,
    Duplicate,
    Dead,
}

/// An event with the subject it came on.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    pub subject: String,
    pub event: CloudEvent,
}

/// Tries until the event has an end. While the database is away that takes as long as it takes.
pub(crate) async fn settle<C: Consumer>(store: &EventStore, consumer: &C, parcel: &Parcel) -> End {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let fault = match attempt(store, consumer, &parcel.event).await {
            Ok(end) => return end,
            Err(fault) => fault,
        };
        metrics::handling_failed(consumer.name());
        tracing::warn!(consumer = consumer.name(), event = %parcel.event.id, attempts, ?fault, "not handled");
        if attempts >= attempts_max(consumer, &fault) {
            match bury(store, consumer, parcel, attempts, &fault).await {
                Ok(()) => return End::Dead,
                Err(fault) => tracing::error!(consumer = consumer.name(), ?fault, "cannot bury"),
            }
        }
        sleep(pause(attempts)).await;
    }
}

/// Handles a dead letter again and closes it, in one transaction. Answers whether it was open.
///
/// # Errors
/// What the consumer says; the letter stays open then.
pub async fn replay<C: Consumer>(store: &EventStore, consumer: &C, letter: Uuid) -> fault::Result<bool> {
    let mut worker = store.begin_worker(None).await?;
    let found = open_dead_letter(worker.connection(), consumer.name(), letter).await?;
    worker.rollback().await?;
    let Some(letter) = found else { return Ok(false) };
    let event: CloudEvent = serde_json::from_value(letter.payload).map_err(Fault::internal)?;
    let mut unit = store.begin(&context(store, consumer, &event)).await?;
    if !mark_replayed(unit.connection(), letter.id, SystemClock.wall()).await? {
        return Ok(false);
    }
    consumer.handle(&mut unit, &event).await?;
    unit.commit().await?;
    Ok(true)
}

/// Keeps what is no event of ours for an operator; nobody can handle it.
pub(crate) async fn bury_malformed(
    store: &EventStore,
    consumer: &'static str,
    subject: &str,
    bytes: &[u8],
    fault: &Fault,
) -> fault::Result<()> {
    let tenant = subject.split('.').find_map(|token| token.parse().ok());
    let text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
    let letter = DeadLetter {
        id: EventId::new().as_uuid(),
        tenant: tenant.unwrap_or_else(|| ids::TenantId::from_uuid(Uuid::nil())),
        consumer: consumer.to_owned(),
        event_id: EventId::derived(&[subject, &text]),
        subject: subject.to_owned(),
        payload: serde_json::Value::String(text),
        error: with_causes(fault),
        attempts: 1,
        at: SystemClock.wall(),
        replayed_at: None,
    };
    let mut worker = store.begin_worker(None).await?;
    record_dead_letter(worker.connection(), &letter).await?;
    worker.commit().await.map(drop)
}

async fn attempt<C: Consumer>(store: &EventStore, consumer: &C, event: &CloudEvent) -> fault::Result<End> {
    let mut unit = store.begin(&context(store, consumer, event)).await?;
    if !note_in_inbox(&mut unit, consumer.name(), event.id).await? {
        unit.rollback().await?;
        return Ok(End::Duplicate);
    }
    let span = tracing::info_span!(
        "consume", consumer = consumer.name(), event = %event.id, kind = event.r#type, trace_id = Empty
    );
    let handling = consumer.handle(&mut unit, event).instrument(traced(event.traceparent.as_deref(), span));
    let handled = AssertUnwindSafe(handling).catch_unwind().await;
    handled.unwrap_or_else(|_| Err(Fault::internal("the consumer panicked")))?;
    unit.commit().await?;
    Ok(End::Handled)
}

/// The inbox row goes with the letter: a redelivery finds the matter closed.
async fn bury<C: Consumer>(
    store: &EventStore,
    consumer: &C,
    parcel: &Parcel,
    attempts: u32,
    fault: &Fault,
) -> fault::Result<()> {
    let event = &parcel.event;
    let letter = DeadLetter {
        id: EventId::new().as_uuid(),
        tenant: event.tenant,
        consumer: consumer.name().to_owned(),
        event_id: event.id,
        subject: parcel.subject.clone(),
        payload: serde_json::to_value(event).map_err(Fault::internal)?,
        error: with_causes(fault),
        attempts: attempts.cast_signed(),
        at: SystemClock.wall(),
        replayed_at: None,
    };
    let mut unit = store.begin(&context(store, consumer, event)).await?;
    note_in_inbox(&mut unit, consumer.name(), event.id).await?;
    record_dead_letter(unit.connection(), &letter).await?;
    unit.commit().await.map(drop)
}

async fn note_in_inbox(unit: &mut UnitOfWork, consumer: &str, event: EventId) -> fault::Result<bool> {
    let noted =
        sqlx::query("INSERT INTO inbox (consumer, event_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(consumer)
            .bind(event.as_uuid())
            .bind(SystemClock.wall().to_sqlx())
            .execute(unit.connection())
            .await
            .map_err(storage)?;
    Ok(noted.rows_affected() == 1)
}

/// What a consumer does happens because of the event, at the event's time, and always under the
/// same operation id.
fn context<C: Consumer>(store: &EventStore, consumer: &C, event: &CloudEvent) -> CommandContext {
    CommandContext {
        tenant: event.tenant,
        actor: format!("service:{}", store.service()),
        operation_id: OperationId::derived(&[store.service(), consumer.name(), &event.id.to_string()]),
        correlation_id: event.correlation_id,
        causation_id: Some(event.id.as_uuid()),
        traceparent: event.traceparent.clone(),
        at: event.time,
    }
}

fn attempts_max<C: Consumer>(consumer: &C, fault: &Fault) -> u32 {
    let limits = consumer.limits();
    if fault.is_transient() { limits.transient_attempts_max } else { limits.attempts_max }
}

fn pause(attempts: u32) -> Duration {
    (FIRST_PAUSE * 2_u32.saturating_pow((attempts - 1).min(10))).min(PAUSE_MAX)
}
