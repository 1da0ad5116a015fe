//! The life of a partition in this process: take the lease, recover, serve, start over.
//!
//! While another process owns it, this one stands by. When it is named the heir it recovers ahead of
//! time and follows the journal, so that what remains between the two owners is a few batches.

use std::time::{Duration, Instant};

use fault::Fault;
use journal::{Chain, Claim, Holder, Journal, Lease};
use runtime::Drain;
use tokio::sync::mpsc;
use wallet_domain::{PartitionState, Writer};

use super::appender;
use super::lease::{self, Validity};
use super::ledger::Ledger;
use super::mailbox::mailbox;
use super::recovery::{Failed, Recovered, catch_up, recover};
use super::rounds::{Append, Rounds};
use super::snapshots;
use super::writer::{Ended, WriterThread};
use crate::metrics;

/// How long calls that are under way may still reach a partition whose process drains.
const LINGER: Duration = Duration::from_millis(300);
const PAUSE_MAX: Duration = Duration::from_secs(2);
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
    let (state, chain) = (recovered.state, recovered.chain);
    let parts = start(ledger, lease, validity, state, chain)?;
    ledger.note_durable(lease.partition, sequence);
    let durable = |sequence| ledger.note_durable(lease.partition, sequence);
    let patience = ledger.config().append_patience();
    let (to_snapshots, due) = mpsc::channel(1);
    let appending =
        appender::run(journal, lease, patience, parts.appends, parts.settled, to_snapshots, durable);
    let saving = async {
        snapshots::run(journal, lease, due).await;
        std::future::pending::<()>().await;
    };
    let closing = async {
        tokio::select! {
            () = drain.cancelled() => tokio::time::sleep(LINGER).await,
            () = ledger.told_to_leave(lease.partition) => {}
        }
        ledger.close(lease.partition);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        appended = appending => appended?,
        () = closing => {}
        () = saving => {}
    }
    ledger.close(lease.partition);
    ended(parts.ended.await)
}

/// What the appender needs of a running writer thread.
struct Parts {
    appends: mpsc::Receiver<Append>,
    settled: crossbeam_channel::Sender<appender::Settled>,
    ended: tokio::sync::oneshot::Receiver<Result<(), Ended>>,
}

fn start(
    ledger: &Ledger,
    lease: Lease,
    validity: &Validity,
    state: PartitionState,
    chain: Chain,
) -> fault::Result<Parts> {
    let config = ledger.config();
    let (mailbox, inbox) = mailbox(config.queued_operations_max);
    let (to_appender, appends) = mpsc::channel(1);
    let (settled, from_appender) = crossbeam_channel::unbounded();
    let writer = Writer::new(state, config.remembered_operations);
    let thread = WriterThread {
        rounds: Rounds::new(writer, chain, lease.epoch, ledger.limits()),
        inbox,
        appends: to_appender,
        settled: from_appender,
        validity: validity.clone(),
        clock: ledger.clock(),
    };
    let (say_ended, ended) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name(format!("ledger-{}", lease.partition))
        .spawn(move || drop(say_ended.send(thread.run())))
        .map_err(Fault::internal)?;
    ledger.open(lease.partition, mailbox);
    Ok(Parts { appends, settled, ended })
}

fn ended(outcome: Result<Result<(), Ended>, tokio::sync::oneshot::error::RecvError>) -> fault::Result<()> {
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Ended::Unsettled)) => Err(Fault::unavailable("ledger_append_unsettled", Ended::Unsettled)),
        Ok(Err(broken @ Ended::Broken(_))) => Err(Fault::internal(broken)),
        Err(_) => Err(Fault::internal("the writer thread panicked")),
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
