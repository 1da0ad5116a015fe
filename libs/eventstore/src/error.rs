//! What a failing database means to a caller: try again, read again, or a bug.

use fault::{Code, Fault};
use kernel::UnknownEvent;

/// Turns an error of the database into a fault.
///
/// Connections that are gone and servers that are starting, stopping or full are `Unavailable`;
/// serialisation failures and deadlocks are `StaleRevision`, which [`retry_stale`](crate::retry_stale)
/// repeats; everything else is a bug. Constraint violations that mean something to a rule must be
/// looked at before this.
#[must_use]
pub fn storage(error: sqlx::Error) -> Fault {
    match &error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::BeginFailed => Fault::unavailable("store_unavailable", error),
        sqlx::Error::Database(database) => match database.code().as_deref() {
            Some("40001" | "40P01") => stale().with_source(error),
            Some(state) if is_outage(state) => Fault::unavailable("store_unavailable", error),
            _ => Fault::internal(error),
        },
        _ => Fault::internal(error),
    }
}

/// A stored event that this program cannot read: whoever reads stops here.
#[must_use]
pub fn unknown_event(error: UnknownEvent) -> Fault {
    Fault::internal(error)
}

/// Somebody else changed it since it was read.
pub(crate) fn stale() -> Fault {
    Fault::new(Code::StaleRevision, "stale_revision", "It has changed since it was read; read it again.")
}

/// Connection trouble, missing resources, an operator who stops the server, or a transaction that
/// the server gave up because we were silent for too long.
fn is_outage(state: &str) -> bool {
    state.starts_with("08") || state.starts_with("53") || state.starts_with("57") || state == "25P03"
}

/// A fault with its causes, for an operator; clients never see this.
#[must_use]
pub fn with_causes(fault: &Fault) -> String {
    let mut text = fault.to_string();
    let mut cause = std::error::Error::source(fault);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    // PostgreSQL text cannot hold this one character.
    text.replace('\0', "\u{fffd}")
}
