//! The background of idempotency keys: abandoned claims are given up, old keys forgotten.

use std::sync::Arc;
use std::time::Duration;

use kernel::Clock;
use runtime::{Drain, Role};
use tokio::sync::{Mutex, mpsc};

use super::store::{Held, Store};

const SWEEP_EVERY: Duration = Duration::from_secs(300);
const SWEEP_MAX: i64 = 5000;

/// The role that keeps the table in order.
#[must_use]
pub fn role(store: Store, abandoned: mpsc::UnboundedReceiver<Held>, clock: Arc<dyn Clock>) -> Role {
    // The receiver outlives a failed run of the role.
    let abandoned = Arc::new(Mutex::new(abandoned));
    Role::task("idempotency", move |drain| {
        upkeep(store.clone(), Arc::clone(&abandoned), Arc::clone(&clock), drain)
    })
}

async fn upkeep(
    store: Store,
    abandoned: Arc<Mutex<mpsc::UnboundedReceiver<Held>>>,
    clock: Arc<dyn Clock>,
    drain: Drain,
) -> fault::Result<()> {
    let mut abandoned = abandoned.lock().await;
    let mut sweeps = tokio::time::interval(SWEEP_EVERY);
    sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = drain.cancelled() => return Ok(()),
            Some(held) = abandoned.recv() => {
                if let Err(fault) = store.settle(&held, None).await {
                    tracing::debug!(error = ?fault, "an abandoned key waits for its lease to end");
                }
            }
            _ = sweeps.tick() => sweep(&store, &*clock, &drain).await?,
        }
    }
}

async fn sweep(store: &Store, clock: &dyn Clock, drain: &Drain) -> fault::Result<()> {
    while !drain.is_cancelled() {
        let swept = store.sweep(clock.wall(), SWEEP_MAX).await?;
        crate::metrics::keys_swept(swept);
        if swept < SWEEP_MAX.unsigned_abs() {
            break;
        }
    }
    Ok(())
}
