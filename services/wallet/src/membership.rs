//! Says that this process is alive, and asks what is wanted of it.
//!
//! One statement or two per quarter of a lease for all partitions; more often only while a partition
//! is on its way to another owner. What is wanted reaches the partitions' tasks through the ledger.

use std::time::Duration;

use journal::Placement;
use runtime::Drain;

use crate::engine::Ledger;

/// How often a process looks while it takes or gives up a partition.
const HANDOVER_POLL: Duration = Duration::from_millis(25);

/// Checks in until `drain` is cancelled.
///
/// # Errors
/// None in practice: what fails is logged and tried again.
pub async fn run_membership(ledger: Ledger, placement: Placement, drain: Drain) -> fault::Result<()> {
    let ttl = ledger.config().lease();
    loop {
        let checked_in = placement.check_in(ledger.holder(), ttl, &ledger.prepared()).await;
        let pause = match checked_in {
            Ok(wishes) => {
                ledger.note_wishes(&wishes);
                if wishes.is_empty() { ttl / 4 } else { HANDOVER_POLL }
            }
            Err(error) => {
                tracing::warn!(%error, "this process could not check in");
                ledger.note_wishes(&[]); // what was wanted may have changed
                ttl / 4
            }
        };
        if drain.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            break;
        }
    }
    if let Err(error) = placement.check_out(&ledger.holder().owner).await {
        tracing::warn!(%error, "this process could not check out");
    }
    Ok(())
}
