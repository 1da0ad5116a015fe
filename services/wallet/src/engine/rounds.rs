//! The rounds of a partition, without threads or time: what its writer does, as a machine that is told
//! what happened and says what to do. The desk drives it, and so does the simulation.
//!
//! There are two rounds: the one whose batch is being appended and the one being filled. A round's
//! answers (results, refusals and reads alike) rest on everything decided before them, so they go out
//! together when the round's batch is durable.

use ids::TenantId;
use journal::{Chain, Row};
use wallet_domain::{Broken, PartitionState, Refused, Request, Writer};

use super::work::{Lost, Ruled, Waiting, Work};
use crate::metrics;

/// Limits of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) batch_operations: usize,
    pub(crate) snapshot_operations: u64,
    pub(crate) snapshot_batches: u64,
}

/// A sealed batch on its way to the journal.
pub(crate) struct Append {
    pub(crate) row: Row,
    /// Operations in it, for metrics.
    pub(crate) operations: usize,
    /// The state behind it, when a snapshot is due.
    pub(crate) snapshot: Option<Box<PartitionState>>,
}

/// What is to be done with the round that was filled.
pub(crate) enum Launch {
    /// There is none, or the one before is still on its way.
    Nothing,
    /// It decided no facts: it can be answered from memory, by who holds the lease.
    Answer(Round),
    /// Its batch must become durable.
    Append(Append),
}

/// Answers that wait together.
#[derive(Default)]
pub(crate) struct Round {
    waiting: Vec<Waiting>,
    weight: usize,
}

/// The rounds of one partition.
pub(crate) struct Rounds {
    writer: Writer,
    chain: Chain,
    epoch: u64,
    limits: Limits,
    next: Round,
    flight: Option<Round>,
    operations: u64,
    batches: u64,
}

impl Rounds {
    pub(crate) fn new(writer: Writer, chain: Chain, epoch: u64, limits: Limits) -> Self {
        let next = Round::default();
        Self { writer, chain, epoch, limits, next, flight: None, operations: 0, batches: 0 }
    }

    /// Whether the round being filled takes no more.
    pub(crate) fn is_full(&self) -> bool {
        self.next.weight >= self.limits.batch_operations
    }

    /// Whether a batch is on its way.
    pub(crate) const fn is_in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// Decides a piece of work; its answer waits for the round.
    pub(crate) fn decide(&mut self, work: Work, now_ms: i64) -> Result<(), Broken> {
        self.next.weight += work.weight();
        let writer = &mut self.writer;
        let waiting = match work {
            Work::Open { request, command, reply } => {
                Waiting::One(reply, ruled(writer.open_account(&request, &command, now_ms))?)
            }
            Work::One { request, command, reply } => {
                Waiting::One(reply, ruled(writer.execute(&request, &command, now_ms))?)
            }
            Work::Many { request, commands, reply } => {
                let done = commands.iter().map(|command| ruled(writer.execute(&request, command, now_ms)));
                Waiting::Many(reply, done.collect::<Result<_, _>>()?)
            }
            Work::Packed { request, posts, reply } => {
                Waiting::Packed(reply, posts.execute(writer, &request, now_ms)?)
            }
            Work::Read(query) => Waiting::Read(query.look(writer.state())),
        };
        self.next.waiting.push(waiting);
        Ok(())
    }

    /// When the next lot or hold of each tenant expires, the tenant's time; the earliest first.
    pub(crate) fn next_due(&self) -> Vec<(TenantId, i64)> {
        let mut due: Vec<_> = self.writer.next_due().collect();
        due.sort_unstable_by_key(|(tenant, at_ms)| (*at_ms, *tenant));
        due
    }

    /// Lets what is due at the request's time expire.
    pub(crate) fn expire(&mut self, request: &Request, now_ms: i64) -> Result<usize, Broken> {
        let room = self.limits.batch_operations.saturating_sub(self.next.weight);
        let expired = self.writer.expire_due(request, room, now_ms)?;
        self.next.weight += expired;
        Ok(expired)
    }

    /// Sends the round that was filled on its way, if there is one and no other is under way.
    pub(crate) fn launch(&mut self) -> Launch {
        if self.flight.is_some() || (self.next.waiting.is_empty() && self.writer.drafted() == 0) {
            return Launch::Nothing;
        }
        let round = std::mem::take(&mut self.next);
        let operations = self.writer.drafted();
        let Some((sequence, batch)) = self.writer.cut() else { return Launch::Answer(round) };
        let row = self.chain.seal(self.epoch, batch.to_payload());
        debug_assert_eq!(row.sequence, sequence, "state and journal count alike");
        self.operations += operations as u64;
        self.batches += 1;
        self.flight = Some(round);
        Launch::Append(Append { row, operations, snapshot: self.due_snapshot() })
    }

    /// Whether the next launch has `many` operations to seal, or a snapshot to take.
    pub(crate) fn is_much_to_launch(&self, many: usize) -> bool {
        self.next.weight >= many || self.is_snapshot_due(1)
    }

    /// Whether a snapshot is due after so many more batches.
    const fn is_snapshot_due(&self, more: u64) -> bool {
        self.operations >= self.limits.snapshot_operations
            || self.batches.saturating_add(more) >= self.limits.snapshot_batches
    }

    fn due_snapshot(&mut self) -> Option<Box<PartitionState>> {
        let is_due = self.is_snapshot_due(0);
        if is_due {
            (self.operations, self.batches) = (0, 0);
        }
        is_due.then(|| Box::new(self.writer.state().clone()))
    }

    /// The batch on its way is durable: its answers may go out.
    pub(crate) fn durable(&mut self) -> Option<Round> {
        self.flight.take()
    }

    /// Nobody knows what became of the batch, or it never came so far: nothing decided counts.
    pub(crate) fn abandon(self) {
        let unanswered = self.flight.into_iter().chain([self.next]);
        unanswered.for_each(|round| round.refuse(Lost::OutcomeUnknown));
    }
}

impl Round {
    pub(crate) fn release(self) {
        self.waiting.into_iter().for_each(Waiting::release);
    }

    pub(crate) fn refuse(self, why: Lost) {
        metrics::answers_lost(self.waiting.len());
        self.waiting.into_iter().for_each(|waiting| waiting.refuse(why));
    }
}

/// Keeps rejections apart from a broken state.
fn ruled(outcome: Result<wallet_domain::Answer, Refused>) -> Result<Ruled, Broken> {
    match outcome {
        Ok(answer) => Ok(Ok(answer)),
        Err(Refused::Rejected(rejection)) => Ok(Err(rejection)),
        Err(Refused::Broken(broken)) => Err(broken),
    }
}
