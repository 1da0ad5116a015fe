//! Every metric of tails and timers, one line and one sentence each.

use ::metrics::{counter, gauge};
use jiff::Timestamp;
use kernel::{Clock as _, StoredEvent, SystemClock};

/// How old the last event was when a tail had worked it off, in seconds.
pub(crate) fn lag(tail: &str, event: &StoredEvent) {
    let age = SystemClock.wall().duration_since(event.metadata.at).as_secs_f64().max(0.0);
    gauge!("tail_lag_seconds", "tail" => tail.to_owned()).set(age);
}

/// A tail stands at the end of the log.
pub(crate) fn caught_up(tail: &str) {
    gauge!("tail_lag_seconds", "tail" => tail.to_owned()).set(0.0);
}

/// Events that a tail worked off.
pub(crate) fn worked_off(tail: &str, events: usize) {
    counter!("tail_events_total", "tail" => tail.to_owned()).increment(events as u64);
}

/// Attempts of a tail that failed and will be repeated.
pub(crate) fn failed(tail: &str) {
    counter!("tail_failures_total", "tail" => tail.to_owned()).increment(1);
}

/// Events that a reactor gave up.
pub(crate) fn buried(tail: &str) {
    counter!("tail_dead_letters_total", "tail" => tail.to_owned()).increment(1);
}

/// Timers that fired, by kind and outcome: `done`, `failed`, `dead`.
pub(crate) fn fired(kind: &str, outcome: &'static str, due_at: Timestamp) {
    counter!("timers_total", "kind" => kind.to_owned(), "outcome" => outcome).increment(1);
    let late = SystemClock.wall().duration_since(due_at).as_secs_f64().max(0.0);
    gauge!("timer_late_seconds", "kind" => kind.to_owned()).set(late);
}
