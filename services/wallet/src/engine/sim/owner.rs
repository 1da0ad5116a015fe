//! An ownership, taken apart into steps: the real writer's own functions, and around them what
//! the tasks of `partition.rs` do (keep the lease, settle appends, save snapshots), each a step of its
//! own, so that anything may happen between any two of them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use journal::{Journal as _, JournalError, Lease, Row, Snapshot};
use wallet_domain::{Writer, encode_snapshot};

use super::clock::SimClock;
use super::dice::Dice;
use super::disk::SimJournal;
use crate::engine::lease::Validity;
use crate::engine::mailbox::Mailbox;
use crate::engine::recovery::Recovered;
use crate::engine::rounds::{Append, Limits, Rounds};
use crate::engine::settling::{Next, Settled, Settling};
use crate::engine::writer::{Ended, Filled, Launched, PartitionWriter};

/// How long a lease lasts.
pub(super) const TTL: Duration = Duration::from_millis(300);
/// How long an append may stay unsettled.
const APPEND_PATIENCE: Duration = Duration::from_millis(200);

/// A call that is under way.
pub(super) type Pending<T> = Pin<Box<dyn Future<Output = T>>>;

/// Looks at a call once.
pub(super) fn look<T>(pending: &mut Pending<T>) -> Option<T> {
    match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// Renews a lease, as `lease::keep` does.
pub(super) struct Keeper {
    pub(super) lease: Lease,
    pub(super) validity: Validity,
    due: Instant,
    renewal: Option<(Instant, Pending<Result<(), JournalError>>)>,
}

impl Keeper {
    pub(super) fn granted(lease: Lease, asked: Instant, now: Instant) -> Self {
        Self { lease, validity: Validity::granted(asked, TTL), due: now + TTL / 4, renewal: None }
    }

    /// One step; says whether the lease is lost.
    pub(super) fn step(&mut self, journal: &SimJournal, now: Instant) -> bool {
        let Some((asked, call)) = &mut self.renewal else {
            if now >= self.due {
                let (journal, lease) = (journal.clone(), self.lease);
                let call = Box::pin(async move { journal.renew(lease, TTL).await });
                self.renewal = Some((now, call));
            }
            return false;
        };
        let asked = *asked;
        let late = || (now >= asked + TTL / 3).then(|| Err(JournalError::unavailable("late")));
        let Some(renewed) = look(call).or_else(late) else { return false };
        (self.renewal, self.due) = (None, now + TTL / 4);
        self.validity.is_lost(asked, TTL, &renewed)
    }
}

enum Stage {
    Appending(Pending<Result<(), JournalError>>),
    Looking(Pending<Result<Vec<Row>, JournalError>>),
    Pausing(Instant),
}

struct Flight {
    append: Append,
    settling: Settling,
    stage: Stage,
}

/// The tasks beside the writer; they end together.
struct Tasks {
    keeper: Keeper,
    flight: Option<Flight>,
    settled: Option<Settled>,
    saving: Option<Pending<Result<(), JournalError>>>,
}

/// How an ownership has gone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    On,
    /// The writer has ended by itself, everything is answered.
    Finished,
    /// Its tasks have ended; the writer may not know yet.
    Lost,
}

/// A partition that is served.
pub(super) struct Owner {
    /// None when it has ended.
    writer: Option<PartitionWriter>,
    tasks: Option<Tasks>,
    closed: bool,
    pub(super) broken: Option<String>,
}

impl Owner {
    pub(super) fn new(
        keeper: Keeper,
        recovered: Recovered,
        (batch, snapshot_batches): (usize, u64),
        clock: Arc<SimClock>,
    ) -> (Self, Arc<Mailbox>) {
        let mailbox = Arc::new(Mailbox::new(10_000));
        let limits = Limits { batch_operations: batch, snapshot_operations: 1_000, snapshot_batches };
        let state = Writer::new(recovered.state, 1_000_000);
        let writer = PartitionWriter {
            rounds: Rounds::new(state, recovered.chain, keeper.lease.epoch, limits),
            mailbox: Arc::clone(&mailbox),
            appends: tokio::sync::mpsc::channel(1).0,
            validity: keeper.validity.clone(),
            clock,
        };
        let tasks = Tasks { keeper, flight: None, settled: None, saving: None };
        (Self { writer: Some(writer), tasks: Some(tasks), closed: false, broken: None }, mailbox)
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.writer.is_none()
    }

    /// Drops the tasks, as the end of `serve` does; the writer learns of it later.
    pub(super) fn detach(&mut self) -> Option<Lease> {
        self.tasks.take().map(|tasks| tasks.keeper.lease)
    }

    /// One step of any of its parts.
    pub(super) fn step(&mut self, journal: &SimJournal, now: Instant, dice: &mut Dice) -> Goes {
        match dice.below(8) {
            0 => self.keep(journal, now),
            1 | 2 => self.settle_append(journal, now),
            3 => {
                self.save();
                Goes::On
            }
            part => self.step_writer(part, journal, now),
        }
    }

    fn keep(&mut self, journal: &SimJournal, now: Instant) -> Goes {
        let lost = self.tasks.as_mut().is_some_and(|tasks| tasks.keeper.step(journal, now));
        if lost { Goes::Lost } else { Goes::On }
    }

    fn save(&mut self) {
        if let Some(tasks) = &mut self.tasks
            && tasks.saving.as_mut().is_some_and(|saving| look(saving).is_some())
        {
            tasks.saving = None;
        }
    }

    fn step_writer(&mut self, part: usize, journal: &SimJournal, now: Instant) -> Goes {
        let Some(writer) = &mut self.writer else { return Goes::On };
        let done = match part {
            4 => writer.fill().map(|filled| self.closed = filled == Filled::Closed),
            5 => match writer.launch(|| now) {
                Launched::Append(append) => match &mut self.tasks {
                    Some(tasks) => {
                        tasks.flight = Some(Flight::begun(append, journal, tasks.keeper.lease, now));
                        Ok(())
                    }
                    None => Err(Ended::Unsettled),
                },
                Launched::Answered => Ok(()),
                Launched::Nothing if self.closed && !writer.rounds.is_in_flight() => return self.finish(),
                Launched::Nothing => Ok(()),
            },
            6 => match &mut self.tasks {
                Some(tasks) => tasks.settled.take().map_or(Ok(()), |outcome| writer.settle(outcome)),
                None => writer.settle(Settled::Unknown),
            },
            _ => writer.expire(),
        };
        if let Err(ended) = done {
            if let Ended::Broken(broken) = &ended {
                self.broken = Some(broken.to_string());
            }
            self.finish();
        }
        Goes::On
    }

    fn finish(&mut self) -> Goes {
        if let Some(writer) = self.writer.take() {
            writer.abandon();
        }
        Goes::Finished
    }

    fn settle_append(&mut self, journal: &SimJournal, now: Instant) -> Goes {
        let Some(tasks) = &mut self.tasks else { return Goes::On };
        let Some(mut flight) = tasks.flight.take() else { return Goes::On };
        match flight.step(journal, tasks.keeper.lease, now) {
            None => tasks.flight = Some(flight),
            Some(Ok(())) => {
                tasks.settled = Some(Settled::Durable);
                if let (Some(state), None) = (flight.append.snapshot, &tasks.saving) {
                    let (sequence, hash) = (state.sequence(), flight.append.row.hash);
                    let snapshot = Snapshot { sequence, hash, payload: encode_snapshot(&state) };
                    let (journal, lease) = (journal.clone(), tasks.keeper.lease);
                    let saving = async move { journal.save_snapshot(lease, &snapshot).await };
                    tasks.saving = Some(Box::pin(saving));
                }
            }
            Some(Err(_)) => {
                tasks.settled = Some(Settled::Unknown);
                return Goes::Lost;
            }
        }
        Goes::On
    }
}

impl Flight {
    fn begun(append: Append, journal: &SimJournal, lease: Lease, now: Instant) -> Self {
        let stage = Stage::append(journal, lease, &append.row);
        Self { append, settling: Settling::begun(now, APPEND_PATIENCE), stage }
    }

    fn step(&mut self, journal: &SimJournal, lease: Lease, now: Instant) -> Option<Result<(), JournalError>> {
        let next = match &mut self.stage {
            Stage::Appending(call) => self.settling.appended(look(call)?, now),
            Stage::Looking(call) => self.settling.looked(&self.append.row, look(call)?, now),
            Stage::Pausing(until) => {
                if now >= *until {
                    self.stage = Stage::append(journal, lease, &self.append.row);
                }
                return None;
            }
        };
        match next {
            Next::Done(outcome) => return Some(outcome),
            Next::Repeat(pause, _) => self.stage = Stage::Pausing(now + pause),
            Next::Look => {
                let (journal, sequence) = (journal.clone(), self.append.row.sequence);
                let call = async move { journal.read(lease.partition, sequence.saturating_sub(1), 1).await };
                self.stage = Stage::Looking(Box::pin(call));
            }
        }
        None
    }
}

impl Stage {
    fn append(journal: &SimJournal, lease: Lease, row: &Row) -> Self {
        let (journal, row) = (journal.clone(), row.clone());
        Self::Appending(Box::pin(async move { journal.append(lease, &row).await }))
    }
}
