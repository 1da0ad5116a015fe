//! When to look at the log again.
//!
//! A commit of this process wakes every tail at once; commits of other processes are found by
//! polling. A wake-up may come too early, while an older transaction still holds the horizon back,
//! so after it the pauses start short and double. Under load the shortest pause gathers events
//! into batches instead of one query per commit.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

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

    /// Waits until another look makes sense, counted from the last one: who drops the future and
    /// calls again waits no longer, and loses no wake-up.
    pub async fn rest(&mut self) {
        let due = self.looked + self.pause;
        tokio::select! {
            () = woken(&mut self.wakes) => {
                self.pause = SHORTEST;
                sleep_until(self.looked + SHORTEST).await;
            }
            () = sleep_until(due) => self.pause = (self.pause * 2).min(LONGEST),
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

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_quiet_log_is_looked_at_less_and_less_often() {
        let mut pulse = Pulse::new(None);
        let started = Instant::now();
        for _ in 0..10 {
            pulse.rest().await;
        }
        let before = started.elapsed();
        pulse.rest().await;
        assert_eq!(started.elapsed() - before, LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wake_up_ends_the_rest_and_is_not_lost_by_dropping_it() {
        let sender = watch::Sender::new(());
        let mut pulse = Pulse::new(Some(sender.subscribe()));
        for _ in 0..10 {
            pulse.rest().await;
        }
        sleep(LONGEST / 2).await;
        sender.send_replace(());
        let _ = timeout(Duration::ZERO, pulse.rest()).await;
        timeout(SHORTEST, pulse.rest()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_again_and_again_does_not_starve_the_look() {
        let mut pulse = Pulse::new(None);
        let mut drops = 0;
        while timeout(SHORTEST / 4, pulse.rest()).await.is_err() {
            drops += 1;
        }
        assert!(drops <= 5, "{drops}");
    }
}
