//! The life of a partition in this process: take the lease, recover, serve, start over.
//!
//! While another process owns it, this one stands by. When it is named the heir it recovers ahead of
//! time and follows the journal, so that what remains between the two owners is a few batches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fault::Fault;
use journal::{Claim, Holder, Journal, Lease};
use runtime::Drain;
use tokio::sync::{mpsc, oneshot};
use wallet_domain::Writer;

use super::appender;
use super::desk::Desk;
use super::lease::{self, Validity};
use super::ledger::Ledger;
use super::mailbox::Mailbox;
use super::recovery::{Failed, Recovered, catch_up, recover};
use super::rounds::{Append, Rounds};
use super::settling::Settled;
use super::snapshots;
use super::writer::{Ended, PartitionWriter};
use crate::metrics;

/// How long calls that are under way may still reach a partition whose process drains.
const LINGER: Duration = Duration::from_millis(300);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often what expires is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How often a partition that is between two owners is looked at.
const HANDOVER_POLL: Duration = Duration::from_millis(20);

/// Owns the partition whenever it can, until `drain` is cancelled.
///
/// # Errors
/// None in practice: what fails is logged and tried again.
pub async fn run_partition<J: Journal>(
    ledger: Ledger,
    journal: J,
    partition: u16,
    drain: Drain,
) -> fault::Result<()> {
    let (mut pause, mut ahead) = (Duration::ZERO, None);
    while !drain.is_cancelled() {
        match own(&ledger, &journal, partition, &mut ahead, &drain).await {
            Ok(()) => pause = Duration::ZERO,
            Err(fault) => {
                tracing::warn!(partition, ?fault, "the partition starts over");
                pause = (pause * 2).clamp(Duration::from_millis(50), PAUSE_MAX);
                ahead = None;
            }
        }
        ledger.note_prepared(partition, ahead.is_some());
        drain.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

/// One ownership, from the lease to its end, or one turn of standing by. What was recovered ahead of
/// an ownership is kept in `ahead`.
async fn own<J: Journal>(
    ledger: &Ledger,
    journal: &J,
    partition: u16,
    ahead: &mut Option<Recovered>,
    drain: &Drain,
) -> fault::Result<()> {
    let (ttl, asked) = (ledger.config().lease(), Instant::now());
    let claim = journal.acquire(partition, ledger.holder(), ttl).await;
    let lease = match claim.map_err(|error| Fault::unavailable("ledger_lease", error))? {
        Claim::Granted(lease) => lease,
        Claim::Held(other) => return stand_by(ledger, journal, partition, other, ahead, drain).await,
    };
    ledger.owned_by_nobody_else(partition);
    let validity = Validity::granted(asked, ttl);
    let ended = tokio::select! {
        () = lease::keep(journal, lease, ttl, &validity) => {
            Err(Fault::unavailable("ledger_lease_lost", "another process took over"))
        }
        ended = serve(ledger, journal, lease, &validity, ahead.take(), drain) => ended,
    };
    ledger.close(partition);
    if let Err(error) = journal.release(lease).await {
        tracing::warn!(partition, %error, "the lease was not released");
    }
    ended
}

/// Waits for a moment, or follows the journal for as long as this process is the heir.
async fn stand_by<J: Journal>(
    ledger: &Ledger,
    journal: &J,
    partition: u16,
    other: Holder,
    ahead: &mut Option<Recovered>,
    drain: &Drain,
) -> fault::Result<()> {
    if other.owner.is_empty() {
        // It was given up, and an heir comes first.
        drain.run_until_cancelled(tokio::time::sleep(HANDOVER_POLL)).await;
        return Ok(());
    }
    tracing::debug!(partition, owner = %other.owner, "another process owns the partition");
    ledger.owned_by(partition, other);
    while ledger.is_heir(partition) {
        let prepared = drain.run_until_cancelled(prepare(journal, partition, ahead)).await;
        let Some(prepared) = prepared else { return Ok(()) };
        prepared.map_err(unrecovered)?;
        ledger.note_prepared(partition, true);
        let holder = journal.holder(partition).await;
        if holder.map_err(|error| Fault::unavailable("ledger_lease", error))?.is_none() {
            return Ok(()); // to ask for the lease at once
        }
        drain.run_until_cancelled(tokio::time::sleep(HANDOVER_POLL)).await;
    }
    *ahead = None;
    let pause = ledger.config().lease() / 4;
    let woken = tokio::time::timeout(pause, ledger.disturbed(partition));
    drain.run_until_cancelled(woken).await;
    Ok(())
}

/// Brings `ahead` up to the end of the journal.
async fn prepare<J: Journal>(
    journal: &J,
    partition: u16,
    ahead: &mut Option<Recovered>,
) -> Result<(), Failed> {
    match ahead {
        Some(recovered) => catch_up(journal, partition, recovered).await,
        None => recover(journal, partition).await.map(|recovered| *ahead = Some(recovered)),
    }
}

/// Recovers the partition and serves it until the drain, until it shall be given up, or until the
/// writer ends.
async fn serve<J: Journal>(
    ledger: &Ledger,
    journal: &J,
    lease: Lease,
    validity: &Validity,
    mut ahead: Option<Recovered>,
    drain: &Drain,
) -> fault::Result<()> {
    let began = Instant::now();
    let prepared = drain.run_until_cancelled(prepare(journal, lease.partition, &mut ahead)).await;
    let Some(prepared) = prepared else { return Ok(()) };
    prepared.map_err(unrecovered)?;
    let Some(recovered) = ahead else { return Err(Fault::internal("prepared without a state")) };
    metrics::partition_recovered(lease.partition, began.elapsed());
    let (accounts, sequence) = (recovered.state.account_count(), recovered.chain.sequence());
    tracing::info!(
        partition = lease.partition,
        epoch = lease.epoch,
        sequence,
        replayed = recovered.replayed,
        accounts,
        milliseconds = began.elapsed().as_millis(),
        "the partition is served here"
    );
    ledger.note_durable(lease.partition, sequence);
    let (tended, appends, ended) = sit_down(ledger, lease, validity, recovered);
    ledger.open(lease.partition, Arc::clone(&tended.0));
    tokio::select! {
        appended = append(ledger, journal, lease, appends, &tended.0) => appended?,
        () = tend(ledger, lease.partition, &tended.0, drain) => {}
    }
    ledger.close(lease.partition);
    outcome(ended.await)
}

/// A desk that somebody appends for. When nobody does any more, what it waits for stays unknown.
struct Tended(Arc<Desk>);

impl Drop for Tended {
    fn drop(&mut self) {
        self.0.close();
        self.0.settled(Settled::Unknown);
    }
}

type Outcome = oneshot::Receiver<Result<(), Ended>>;

fn sit_down(
    ledger: &Ledger,
    lease: Lease,
    validity: &Validity,
    recovered: Recovered,
) -> (Tended, mpsc::Receiver<Append>, Outcome) {
    let config = ledger.config();
    let (to_appender, appends) = mpsc::channel(1);
    let writer = Writer::new(recovered.state, config.remembered_operations);
    let (desk, ended) = Desk::new(PartitionWriter {
        rounds: Rounds::new(writer, recovered.chain, lease.epoch, ledger.limits()),
        mailbox: Arc::new(Mailbox::new(config.queued_operations_max)),
        appends: to_appender,
        validity: validity.clone(),
        clock: ledger.clock(),
    });
    (Tended(Arc::new(desk)), appends, ended)
}

/// Appends, and saves snapshots beside it, until the writer ends.
async fn append<J: Journal>(
    ledger: &Ledger,
    journal: &J,
    lease: Lease,
    appends: mpsc::Receiver<Append>,
    desk: &Desk,
) -> fault::Result<()> {
    let (to_snapshots, due) = mpsc::channel(1);
    let durable = |sequence| ledger.note_durable(lease.partition, sequence);
    let patience = ledger.config().append_patience();
    tokio::select! {
        appended = appender::run(journal, lease, patience, appends, desk, to_snapshots, durable) => appended,
        never = async {
            snapshots::run(journal, lease, due).await;
            std::future::pending().await
        } => never,
    }
}

/// Lets time pass at the desk, and closes it when the partition shall be given up.
async fn tend(ledger: &Ledger, partition: u16, desk: &Desk, drain: &Drain) {
    let told = async {
        tokio::select! {
            () = drain.cancelled() => tokio::time::sleep(LINGER).await,
            () = ledger.told_to_leave(partition) => {}
        }
        ledger.close(partition);
        desk.close();
        std::future::pending::<()>().await;
    };
    let passing = async {
        loop {
            tokio::time::sleep(LOOK).await;
            desk.time_passed();
        }
    };
    tokio::join!(told, passing);
}

fn outcome(ended: Result<Result<(), Ended>, oneshot::error::RecvError>) -> fault::Result<()> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Ended::Unsettled)) => Err(Fault::unavailable("ledger_append_unsettled", Ended::Unsettled)),
        Ok(Err(broken)) => Err(Fault::internal(broken)),
        Err(_) => Err(Fault::internal("the desk is gone")),
    }
}

fn unrecovered(failed: Failed) -> Fault {
    match failed {
        Failed::Journal(error @ journal::JournalError::Unavailable(_)) => {
            Fault::unavailable("ledger_recovery", error)
        }
        damaged => Fault::internal(damaged),
    }
}
