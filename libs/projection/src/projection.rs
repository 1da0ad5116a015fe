//! Asynchronous read models.

use std::future::Future;
use std::time::Duration;

use eventstore::{EventStore, save_cursor, storage};
use fault::{Code, Fault};
use kernel::{Position, StoredEvent};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::tail::{BATCH, Tail};

/// Builds tables from events.
pub trait Projection: Send {
    /// Name of the cursor: `invoice_report`.
    const NAME: &'static str;

    /// Takes one event into the tables. An event that it should know and cannot read must be
    /// answered with a fault, which stops the projection.
    fn apply(
        &mut self,
        connection: &mut PgConnection,
        event: &StoredEvent,
    ) -> impl Future<Output = fault::Result<()>> + Send;

    /// Empties the tables, for a rebuild.
    fn reset(&mut self, connection: &mut PgConnection) -> impl Future<Output = fault::Result<()>> + Send;
}

/// Keeps the tables up to date until `drain` is cancelled.
///
/// # Errors
/// A permanent fault: the projection stands before the event until the program can read it.
pub async fn run_projection<P: Projection>(
    store: EventStore,
    mut projection: P,
    drain: CancellationToken,
) -> fault::Result<()> {
    let mut tail = Tail::new(&store, &cursor_name::<P>(), drain);
    let ended = keep_up(&mut tail, &mut projection).await;
    tail.leadership.resign().await;
    ended
}

/// Empties the tables and builds them again from the first event; answers how many events that
/// took. Waits until no other replica runs the projection.
///
/// # Errors
/// Any fault; the rebuild can be started again or the running projection goes on from where it stood.
pub async fn rebuild<P: Projection>(
    store: &EventStore,
    projection: &mut P,
    drain: CancellationToken,
) -> fault::Result<u64> {
    let mut tail = Tail::new(store, &cursor_name::<P>(), drain);
    if tail.lead().await?.is_none() {
        return Ok(0);
    }
    empty(&mut tail, projection).await?;
    let mut cursor = Position::START;
    let mut events = 0;
    loop {
        let step = advance(&mut tail, projection, cursor).await?;
        events += step.events as u64;
        cursor = step.cursor;
        if step.events == 0 {
            tail.leadership.resign().await;
            return Ok(events);
        }
    }
}

/// Waits until projection `name` has worked off everything up to `position`.
///
/// # Errors
/// `Timeout` if it does not get there within `patience`.
pub async fn wait_for(
    store: &EventStore,
    name: &str,
    position: Position,
    patience: Duration,
) -> fault::Result<()> {
    let name = format!("projection:{name}");
    let reached = async {
        while store.cursor(&name).await? < position {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    };
    let late =
        || Fault::new(Code::Timeout, "read_model_behind", "The data is not that recent yet; try again.");
    timeout(patience, reached).await.map_err(|_| late())?
}

struct Step {
    events: usize,
    cursor: Position,
}

async fn keep_up<P: Projection>(tail: &mut Tail, projection: &mut P) -> fault::Result<()> {
    let mut cursor = None;
    while !tail.drain.is_cancelled() {
        let outcome = match cursor {
            Some(cursor) => advance(tail, projection, cursor).await,
            None => match tail.lead().await {
                Ok(Some(saved)) => advance(tail, projection, saved).await,
                Ok(None) => return Ok(()),
                Err(fault) => Err(fault),
            },
        };
        match outcome {
            Ok(step) => {
                cursor = Some(step.cursor);
                if step.events == 0 { tail.rest().await } else { tail.steady() }
            }
            Err(fault) => {
                cursor = None;
                tail.stumble(fault).await?;
            }
        }
    }
    Ok(())
}

/// Takes one batch and its cursor in one transaction, on the connection that holds the lock.
async fn advance<P: Projection>(
    tail: &mut Tail,
    projection: &mut P,
    cursor: Position,
) -> fault::Result<Step> {
    let events = tail.leadership.events_after(cursor, BATCH).await?;
    let Some(last) = events.last() else { return Ok(Step { events: 0, cursor }) };
    let name = tail.name().to_owned();
    let mut transaction = tail.leadership.connection()?.begin().await.map_err(storage)?;
    for event in &events {
        projection.apply(&mut transaction, event).await?;
    }
    save_cursor(&mut transaction, &name, last.position).await?;
    transaction.commit().await.map_err(storage)?;
    metrics::worked_off(&name, events.len());
    metrics::lag(&name, last);
    Ok(Step { events: events.len(), cursor: last.position })
}

async fn empty<P: Projection>(tail: &mut Tail, projection: &mut P) -> fault::Result<()> {
    let name = tail.name().to_owned();
    let mut transaction = tail.leadership.connection()?.begin().await.map_err(storage)?;
    projection.reset(&mut transaction).await?;
    save_cursor(&mut transaction, &name, Position::START).await?;
    transaction.commit().await.map_err(storage)
}

fn cursor_name<P: Projection>() -> String {
    format!("projection:{}", P::NAME)
}
