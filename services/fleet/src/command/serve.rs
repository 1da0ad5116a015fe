//! `vbwd serve`: runs services until it is told to stop.

use std::time::Duration;

use fault::Fault;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::roles::Role;

/// Runs the named roles, all when none is named, until SIGTERM or SIGINT, then drains.
///
/// # Errors
/// When something cannot start, or the drain does not finish within its grace time.
pub async fn run(config: Config, roles: &[Role]) -> fault::Result<()> {
    let roles = if roles.is_empty() { Role::ALL.to_vec() } else { roles.to_vec() };
    let (notice, grace) = (config.drain.notice_seconds, config.drain.grace_seconds);
    let running = Box::pin(crate::start::start(config, &roles)).await?;
    let drain = running.platform.tasks.drain().clone();
    tokio::select! {
        () = told_to_stop() => {}
        () = drain.cancelled() => {} // a task the process cannot do without has failed
    }
    tracing::info!("draining");
    running.platform.readiness.begin_drain();
    tokio::time::sleep(Duration::from_secs(notice)).await;
    drain.cancel();
    let finished = running.platform.tasks.finished(Duration::from_secs(grace)).await;
    running.telemetry.finish();
    if finished {
        return Ok(());
    }
    Err(Fault::new(
        fault::Code::Timeout,
        "drain_incomplete",
        "Some work did not finish within the grace time.",
    )
    .with_fact("tasks", names(&running.platform)))
}

/// The tasks that are still running.
fn names(platform: &runtime::Platform) -> String {
    platform.tasks.running().into_keys().collect::<Vec<_>>().join(",")
}

async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
