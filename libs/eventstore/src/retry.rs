//! Repeating a command that lost a race.

use std::future::Future;

use fault::Code;

/// Runs `command` again, at most `attempts` times in all, while it answers `StaleRevision`.
///
/// Each run must begin its own unit of work. The winner of a race is already committed when the
/// loser is told, so there is nothing to wait for.
///
/// # Errors
/// The first other fault, or the last `StaleRevision`.
pub async fn retry_stale<T, F, Fut>(attempts: usize, mut command: F) -> fault::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = fault::Result<T>>,
{
    for _ in 1..attempts {
        match command().await {
            Err(fault) if fault.code() == Code::StaleRevision => {}
            outcome => return outcome,
        }
    }
    command().await
}
