//! Closed-loop workers: each has one request in flight, until the time or the count is up.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::future::try_join_all;

use crate::figures::Run;

/// No run sends more requests than this, whatever the time.
const REQUESTS_MAX: usize = 2_000_000;

/// One worker's next request: whether it succeeded.
pub trait Worker {
    /// Sends one request and waits for its answer.
    fn once(&mut self, nth: usize) -> impl Future<Output = anyhow::Result<bool>>;
}

/// Runs the workers at the same time, for `time` after a short warm-up that is not counted.
pub async fn run<W: Worker>(workers: Vec<W>, time: Duration) -> anyhow::Result<Run> {
    let warm_up = Instant::now() + time.min(Duration::from_secs(1));
    let (next, end) = (Cell::new(0), warm_up + time);
    let parts = try_join_all(workers.into_iter().map(|worker| work(worker, &next, warm_up, end))).await?;
    let mut whole = Run::default();
    for part in parts {
        whole.join(part);
    }
    Ok(whole)
}

async fn work<W: Worker>(
    mut worker: W,
    next: &Cell<usize>,
    warm_up: Instant,
    end: Instant,
) -> anyhow::Result<Run> {
    let mut run = Run::default();
    while Instant::now() < end && next.get() < REQUESTS_MAX {
        let nth = next.replace(next.get() + 1);
        let started = Instant::now();
        let succeeded = worker.once(nth).await?;
        if started < warm_up {
            continue;
        }
        if succeeded {
            run.latencies.push(started.elapsed());
        } else {
            run.failures += 1;
        }
        run.elapsed = warm_up.elapsed();
    }
    Ok(run)
}
