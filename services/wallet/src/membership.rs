//! Says that this process is alive, and asks what is wanted of it.
//!
//! A few statements per quarter of a lease for all partitions; more often only while a partition is
//! on its way to another owner. What is wanted reaches the partitions' tasks through the ledger.
//!
//! A process that was told to stop has a time of notice (`drain.notice_seconds`) in which it still
//! answers. In that time it hands its partitions over, as warm as an operator's move.

use std::time::Duration;

use journal::Placement;
use runtime::{Drain, Readiness};

use crate::engine::Ledger;

/// How often a process looks while it takes or gives up a partition.
const HANDOVER_POLL: Duration = Duration::from_millis(25);

/// Checks in until `drain` is cancelled.
///
/// # Errors
/// None in practice: what fails is logged and tried again.
pub async fn run_membership(
    ledger: Ledger,
    placement: Placement,
    readiness: Readiness,
    drain: Drain,
) -> fault::Result<()> {
    let (ttl, holder) = (ledger.config().lease(), ledger.holder());
    loop {
        let answered = if readiness.is_draining() {
            placement.prepare_to_stop(&holder.owner).await
        } else {
            placement.check_in(holder, ttl, &ledger.prepared()).await
        };
        let wishes = answered.unwrap_or_else(|error| {
            tracing::warn!(%error, "this process could not check in");
            Vec::new() // what was wanted may have changed
        });
        ledger.note_wishes(&wishes);
        let pause = if wishes.is_empty() { ttl / 4 } else { HANDOVER_POLL };
        if drain.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            break;
        }
    }
    if let Err(error) = placement.check_out(&holder.owner).await {
        tracing::warn!(%error, "this process could not check out");
    }
    Ok(())
}
