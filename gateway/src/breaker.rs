//! A circuit breaker per service, and a budget for retries.
//!
//! A service that cannot be reached several times in a row is not asked for a while: its callers get
//! 503 at once instead of each waiting for a connection, and its neighbours go on. Then one call
//! probes. Only silence counts (no connection, no answer); a service that says "no" is alive.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fault::{Code, Fault};

/// So many calls without an answer in a row open the circuit.
const FAILURES_MAX: u32 = 5;
/// How long it stays open at first; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LONGEST: Duration = Duration::from_secs(4);
/// A retry costs one; a call earns a tenth; so retries add at most ten percent of load.
const RETRY_COST: u32 = 10;
const RETRY_SAVED_MAX: u32 = 100;

/// The circuit to one service.
pub struct Breaker(Mutex<State>);

struct State {
    failures: u32,
    pause: Duration,
    /// While closed, `None`; while open, when the next probe may go.
    probe_at: Option<Instant>,
    saved: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        let state = State { failures: 0, pause: PAUSE_FIRST, probe_at: None, saved: RETRY_SAVED_MAX };
        Self(Mutex::new(state))
    }
}

impl Breaker {
    /// Whether a call may go out at `now`.
    ///
    /// # Errors
    /// `service_unavailable` while the circuit is open, with how long.
    pub fn admit(&self, service: &str, now: Instant) -> fault::Result<()> {
        let mut state = self.state();
        state.saved = (state.saved + 1).min(RETRY_SAVED_MAX);
        let Some(probe_at) = state.probe_at else { return Ok(()) };
        if now >= probe_at {
            // This call probes; the others wait for what becomes of it.
            state.probe_at = Some(now + state.pause);
            return Ok(());
        }
        let seconds = probe_at.duration_since(now).as_secs() + 1;
        let message = "This part of the platform cannot be reached; try again in a moment.";
        Err(Fault::new(Code::Unavailable, "service_unavailable", message)
            .with_fact("service", service)
            .with_fact("retry_after_seconds", seconds))
    }

    /// A call has ended with an answer, whatever it said. Answers whether the circuit was open.
    pub fn answered(&self) -> bool {
        let mut state = self.state();
        state.failures = 0;
        state.pause = PAUSE_FIRST;
        state.probe_at.take().is_some()
    }

    /// A call has ended without an answer. Answers whether this has opened the circuit.
    pub fn silent(&self, now: Instant) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES_MAX {
            return false;
        }
        let opened = state.probe_at.is_none();
        if !opened {
            state.pause = (state.pause * 2).min(PAUSE_LONGEST);
        }
        state.probe_at = Some(now + state.pause);
        opened
    }

    /// Whether a call that got no answer may be made again.
    pub fn may_retry(&self) -> bool {
        let mut state = self.state();
        let affordable = state.probe_at.is_none() && state.saved >= RETRY_COST;
        if affordable {
            state.saved -= RETRY_COST;
        }
        affordable
    }

    /// A panic under this lock is impossible; its state would be as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a fault says that no answer came, and not what the answer was.
#[must_use]
pub fn is_silence(fault: &Fault) -> bool {
    matches!(fault.reason(), "service_unreachable" | "call_timeout") || is_torn(fault)
}

/// Whether the connection was the reason: trying another one makes sense.
#[must_use]
pub fn is_torn(fault: &Fault) -> bool {
    fault.code() == Code::Unavailable
        && (fault.reason() == "service_unreachable" || fault.reason() == Code::Unavailable.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_service_is_left_alone_and_probed_by_one_call() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for nth in 1..=FAILURES_MAX {
            assert!(breaker.admit("wallet", start).is_ok());
            assert_eq!(breaker.silent(start), nth == FAILURES_MAX);
        }
        let refused = breaker.admit("wallet", start).unwrap_err();
        assert_eq!(refused.reason(), "service_unavailable");
        assert!(refused.facts().any(|fact| fact == ("retry_after_seconds", "1")));
        let later = start + PAUSE_FIRST;
        assert!(breaker.admit("wallet", later).is_ok(), "the probe");
        assert!(breaker.admit("wallet", later).is_err(), "the others wait for it");
        assert!(breaker.answered());
        assert!(breaker.admit("wallet", later).is_ok());
        assert!(!breaker.answered());
    }

    #[test]
    fn the_pause_grows_and_has_an_end() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        (0..FAILURES_MAX).for_each(|_| {
            breaker.silent(now);
        });
        for _ in 0..10 {
            now += PAUSE_LONGEST;
            assert!(breaker.admit("wallet", now).is_ok(), "a probe at least every {PAUSE_LONGEST:?}");
            breaker.silent(now);
        }
    }

    #[test]
    fn retries_are_a_tenth_of_the_calls() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        while breaker.may_retry() {}
        let retried = (0..1000).filter(|_| {
            breaker.admit("wallet", now).unwrap();
            breaker.may_retry()
        });
        assert_eq!(retried.count(), 100);
    }

    #[test]
    fn a_service_that_says_no_is_alive() {
        assert!(!is_silence(&Fault::not_found("x")));
        assert!(!is_silence(&Fault::unavailable("database_unreachable", "x")));
        assert!(is_silence(&Fault::unavailable("service_unreachable", "x")));
        assert!(is_silence(&Fault::new(Code::Timeout, "call_timeout", "x")));
    }
}
