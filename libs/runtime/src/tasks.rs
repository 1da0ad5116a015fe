//! Tasks with a name, a drain and an error policy.
//!
//! Nothing in the fleet runs unwatched: every background task is spawned here. A supervised task
//! that fails is started again with growing pauses and its failures are counted; on drain it gets
//! the signal and the grace time to finish.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fault::Fault;
use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The signal to finish and stop.
pub type Drain = CancellationToken;

const RESTART_PAUSE_MIN: Duration = Duration::from_millis(100);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What an error of a task means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Start it again after a pause.
    Restart,
    /// Drain the whole process: it cannot do its work without this task.
    Stop,
}

/// All tasks of a process.
#[derive(Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    drain: Drain,
    running: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Tasks {
    /// No tasks yet; they will stop when `drain` is cancelled.
    #[must_use]
    pub fn new(drain: Drain) -> Self {
        Self { tracker: TaskTracker::new(), drain, running: Arc::default() }
    }

    /// The signal to finish.
    #[must_use]
    pub const fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Runs `work` under `name`; a failure or panic is handled as `on_error` says.
    pub fn supervise<W, F>(&self, name: impl Into<String>, on_error: OnError, work: W)
    where
        W: Fn(Drain) -> F + Send + 'static,
        F: Future<Output = fault::Result<()>> + Send + 'static,
    {
        let name = name.into();
        let tasks = self.clone();
        self.spawn(async move {
            tasks.note_start(&name);
            tasks.keep_running(&name, on_error, work).await;
            tasks.lock().remove(&name);
        });
    }

    /// Names of the running tasks and how often each was started.
    #[must_use]
    pub fn running(&self) -> BTreeMap<String, u64> {
        self.lock().clone()
    }

    /// Waits until every task has ended, at most `grace`. Answers whether all have.
    pub async fn finished(&self, grace: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }

    #[allow(clippy::disallowed_methods, reason = "the one place where tasks are spawned")]
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.tracker.track_future(work));
    }

    async fn keep_running<W, F>(&self, name: &str, on_error: OnError, work: W)
    where
        W: Fn(Drain) -> F,
        F: Future<Output = fault::Result<()>>,
    {
        let mut pause = RESTART_PAUSE_MIN;
        loop {
            let started = tokio::time::Instant::now();
            let outcome = AssertUnwindSafe(work(self.drain.clone())).catch_unwind().await;
            let Some(fault) = failure(outcome) else { return };
            if self.drain.is_cancelled() {
                return;
            }
            tracing::error!(task = name, error = ?fault, "task failed");
            metrics::counter!("vbwd_task_failures_total", "task" => name.to_owned()).increment(1);
            if on_error == OnError::Stop {
                self.drain.cancel();
                return;
            }
            if started.elapsed() > RESTART_PAUSE_MAX {
                pause = RESTART_PAUSE_MIN;
            }
            tokio::select! {
                () = self.drain.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
            self.note_start(name);
        }
    }

    fn note_start(&self, name: &str) {
        *self.lock().entry(name.to_owned()).or_default() += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failure(outcome: std::thread::Result<fault::Result<()>>) -> Option<Fault> {
    match outcome {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => Some(fault),
        Err(panic) => Some(Fault::internal(panic_text(&*panic))),
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_failing_task_is_started_again() {
        let tasks = Tasks::new(Drain::new());
        let starts = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&starts);
        tasks.supervise("flaky", OnError::Restart, move |drain| {
            let nth = counter.fetch_add(1, Ordering::SeqCst);
            async move {
                match nth {
                    0 => Err(Fault::internal("first")),
                    1 => panic!("second"),
                    _ => {
                        drain.cancelled().await;
                        Ok(())
                    }
                }
            }
        });
        let thrice = async {
            while starts.load(Ordering::SeqCst) < 3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), thrice).await.expect("started again");
        tasks.drain().cancel();
        assert!(tasks.finished(Duration::from_secs(1)).await);
    }

    #[tokio::test]
    async fn a_task_the_process_cannot_do_without_drains_it() {
        let tasks = Tasks::new(Drain::new());
        tasks.supervise("listener", OnError::Stop, |_| async { Err(Fault::internal("port taken")) });
        tasks.drain().cancelled().await;
        assert!(tasks.finished(Duration::from_secs(1)).await);
    }
}
