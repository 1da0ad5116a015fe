//! When to look at the log again.
//!
//! A commit of this process wakes every tail at once; commits of other processes are found by
//! polling. A wake-up may come too early, while an older transaction still holds the horizon back,
//! so after it the pauses start short and double. Under load the shortest pause gathers events
//! into batches instead of one query per commit.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Pause after a wake-up, and the least time between two looks.
const SHORTEST: Duration = Duration::from_millis(4);
/// Pause of a quiet log.
const LONGEST: Duration = Duration::from_millis(200);

/// The rhythm of one tail.
#[derive(Debug)]
pub struct Pulse {
    wakes: Option<watch::Receiver<()>>,
    pause: Duration,
    looked: Instant,
}

impl Pulse {
    /// A rhythm that is woken through `wakes`; without it, it only polls.
    #[must_use]
    pub fn new(wakes: Option<watch::Receiver<()>>) -> Self {
        Self { wakes, pause: SHORTEST, looked: Instant::now() }
    }

    /// Waits until another look makes sense. Dropping the future loses no wake-up.
    pub async fn rest(&mut self) {
        let pause = self.pause;
        tokio::select! {
            () = woken(&mut self.wakes) => {
                self.pause = SHORTEST;
                sleep_until(self.looked + SHORTEST).await;
            }
            () = sleep(pause) => self.pause = (pause * 2).min(LONGEST),
        }
        self.looked = Instant::now();
    }

    /// Something was found: stay close.
    pub fn found(&mut self) {
        self.pause = SHORTEST;
    }
}

async fn woken(wakes: &mut Option<watch::Receiver<()>>) {
    let open = match wakes {
        Some(receiver) => receiver.changed().await.is_ok(),
        None => false,
    };
    if !open {
        std::future::pending::<()>().await;
    }
}
