//! How providers are doing: a circuit for each account.
//!
//! After trouble [`TROUBLES_MAX`] times in a row the circuit opens and the provider is left alone for
//! a while; then one question is let through, and its answer closes or opens it again. A refusal is an
//! answer, not trouble. State is per process: each replica learns by itself, which costs a few
//! questions and needs no agreement.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ids::TenantId;

use crate::metrics;

/// Troubles in a row that open a circuit.
const TROUBLES_MAX: u32 = 5;
/// How long an open circuit leaves a provider alone.
const PAUSE: Duration = Duration::from_secs(10);

/// How a circuit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Circuit {
    Closed,
    Open,
    HalfOpen,
}

impl Circuit {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    troubles: u32,
    open_until: Option<Instant>,
}

/// The circuits by provider and account; the account of all tenants has no tenant.
#[derive(Default)]
pub(crate) struct Health(Mutex<HashMap<(String, Option<TenantId>), State>>);

impl Health {
    /// Whether the provider may be asked now; who is let through reports what came of it.
    pub(crate) fn admits(&self, account: (&str, Option<TenantId>), now: Instant) -> bool {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = circuits.get_mut(&(account.0.to_owned(), account.1)) else { return true };
        match state.open_until {
            None => true,
            Some(until) if now < until => false,
            // One may try; should it never report, another one may after the same pause.
            Some(_) => {
                state.open_until = now.checked_add(PAUSE);
                true
            }
        }
    }

    /// What came of a question.
    pub(crate) fn report(&self, account: (&str, Option<TenantId>), trouble: bool, now: Instant) {
        let mut circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = circuits.entry((account.0.to_owned(), account.1)).or_default();
        if !trouble {
            if state.open_until.is_some() {
                metrics::circuit(account.0, Circuit::Closed.name());
            }
            *state = State::default();
            return;
        }
        state.troubles = state.troubles.saturating_add(1);
        if state.troubles >= TROUBLES_MAX {
            state.open_until = now.checked_add(PAUSE);
            metrics::circuit(account.0, Circuit::Open.name());
        }
    }

    /// How the circuit stands.
    pub(crate) fn circuit(&self, account: (&str, Option<TenantId>), now: Instant) -> Circuit {
        let circuits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match circuits.get(&(account.0.to_owned(), account.1)).and_then(|state| state.open_until) {
            None => Circuit::Closed,
            Some(until) if now < until => Circuit::Open,
            Some(_) => Circuit::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: (&str, Option<TenantId>) = ("stripe", None);

    #[test]
    fn repeated_trouble_opens_and_one_good_answer_closes() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..TROUBLES_MAX {
            assert!(health.admits(ACCOUNT, now));
            health.report(ACCOUNT, true, now);
        }
        assert!(!health.admits(ACCOUNT, now));
        assert_eq!(health.circuit(ACCOUNT, now), Circuit::Open);
        let later = now + PAUSE;
        assert_eq!(health.circuit(ACCOUNT, later), Circuit::HalfOpen);
        assert!(health.admits(ACCOUNT, later), "one tries");
        assert!(!health.admits(ACCOUNT, later), "the others wait for it");
        health.report(ACCOUNT, false, later);
        assert!(health.admits(ACCOUNT, later));
    }

    #[test]
    fn trouble_of_one_account_is_not_the_others() {
        let (health, now) = (Health::default(), Instant::now());
        let other = ("stripe", Some(TenantId::new()));
        for _ in 0..TROUBLES_MAX {
            health.report(ACCOUNT, true, now);
        }
        assert!(health.admits(other, now) && health.admits(("paypal", None), now));
    }

    #[test]
    fn trouble_that_is_interrupted_by_an_answer_opens_nothing() {
        let (health, now) = (Health::default(), Instant::now());
        for _ in 0..20 {
            health.report(ACCOUNT, true, now);
            health.report(ACCOUNT, false, now);
        }
        assert_eq!(health.circuit(ACCOUNT, now), Circuit::Closed);
    }
}
