//! The thread that owns a partition's state.
//!
//! It holds two rounds: the one whose batch is being appended and the one being filled. A round's
//! answers (results, refusals and reads alike) rest on everything decided before them, so they go
//! out together when the round's batch is durable. Nothing here waits except for the next piece of
//! work or the end of the append.

use std::sync::Arc;

use crossbeam_channel::{Receiver, select};
use journal::Chain;
use kernel::Clock;
use tokio::sync::mpsc;
use wallet_domain::{Answer, Broken, Refused, Rejection, Writer};

use super::Validity;
use super::appender::{Append, Settled};
use super::mailbox::Inbox;
use super::work::{Held, Lost, Work};
use crate::metrics;

/// Limits of the thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) batch_operations: usize,
    pub(crate) snapshot_operations: u64,
    pub(crate) snapshot_batches: u64,
}

/// The owner of one partition's state.
pub(crate) struct WriterThread {
    pub(crate) writer: Writer,
    pub(crate) chain: Chain,
    pub(crate) epoch: u64,
    pub(crate) inbox: Inbox,
    pub(crate) appends: mpsc::Sender<Append>,
    pub(crate) settled: Receiver<Settled>,
    pub(crate) validity: Validity,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: Limits,
}

/// Answers that wait together.
#[derive(Default)]
struct Round {
    held: Vec<Held>,
    weight: usize,
}

/// What keeps the thread going between rounds.
#[derive(Default)]
struct Progress {
    next: Round,
    flight: Option<Round>,
    operations: u64,
    batches: u64,
}

/// Why the thread ended before its mailbox closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("an append could not be settled")]
    Unsettled,
    #[error("the ledger's state is broken")]
    Broken(#[from] Broken),
}

impl WriterThread {
    /// Works until the mailbox is closed and everything in it is answered.
    pub(crate) fn run(mut self) -> Result<(), Ended> {
        let mut progress = Progress::default();
        let ended = self.work(&mut progress);
        let unanswered = progress.flight.into_iter().chain([progress.next]);
        unanswered.for_each(|round| round.refuse(Lost::OutcomeUnknown));
        ended
    }

    fn work(&mut self, progress: &mut Progress) -> Result<(), Ended> {
        loop {
            let closed = self.fill(&mut progress.next)?;
            if progress.flight.is_none() && !progress.next.held.is_empty() {
                self.launch(progress)?;
            } else if closed && progress.flight.is_none() {
                return Ok(());
            } else {
                self.wait(progress, closed)?;
            }
        }
    }

    /// Takes what has arrived, while there is room. Answers whether nothing can arrive any more.
    fn fill(&mut self, round: &mut Round) -> Result<bool, Ended> {
        while round.weight < self.limits.batch_operations {
            match self.inbox.receiver.try_recv() {
                Ok(work) => self.decide(work, round)?,
                Err(error) => return Ok(error.is_disconnected()),
            }
        }
        Ok(false)
    }

    /// Sleeps until the append ends or, if there is room, work arrives.
    fn wait(&mut self, progress: &mut Progress, closed: bool) -> Result<(), Ended> {
        let full = progress.next.weight >= self.limits.batch_operations;
        if full || closed {
            let outcome = self.settled.recv().unwrap_or(Settled::Unknown);
            return settle(progress, outcome);
        }
        select! {
            recv(self.settled) -> outcome => settle(progress, outcome.unwrap_or(Settled::Unknown)),
            recv(self.inbox.receiver) -> work => match work {
                Ok(work) => self.decide(work, &mut progress.next),
                Err(_) => Ok(()), // closed: seen again when filling
            },
        }
    }

    fn decide(&mut self, work: Work, round: &mut Round) -> Result<(), Ended> {
        let weight = work.weight();
        self.inbox.taken(weight);
        round.weight += weight;
        let now_ms = self.clock.wall().as_millisecond();
        let held = match work {
            Work::Open { request, command, reply } => {
                Held::Open(reply, ruled(self.writer.open_account(&request, &command, now_ms))?)
            }
            Work::Post { request, commands, reply } => {
                let post = |command| ruled(self.writer.post(&request, command, now_ms));
                Held::Post(reply, commands.iter().map(post).collect::<Result<_, _>>()?)
            }
            Work::Read { query, reply } => Held::Read(reply, query.answer(self.writer.state())),
        };
        round.held.push(held);
        Ok(())
    }

    /// Hands the round's batch over; a round without facts is answered at once.
    fn launch(&mut self, progress: &mut Progress) -> Result<(), Ended> {
        let round = std::mem::take(&mut progress.next);
        let operations = self.writer.drafted();
        let Some((sequence, batch)) = self.writer.cut() else {
            self.answer_from_memory(round);
            return Ok(());
        };
        let row = self.chain.seal(self.epoch, batch.to_payload());
        debug_assert_eq!(row.sequence, sequence, "state and journal count alike");
        progress.operations += operations as u64;
        progress.batches += 1;
        let snapshot = self.is_snapshot_due(progress).then(|| self.writer.state().clone());
        progress.flight = Some(round);
        self.appends.blocking_send(Append { row, operations, snapshot }).map_err(|_| Ended::Unsettled)
    }

    fn answer_from_memory(&self, round: Round) {
        if self.validity.holds() {
            round.release();
        } else {
            round.refuse(Lost::LeaseUncertain);
        }
    }

    fn is_snapshot_due(&self, progress: &mut Progress) -> bool {
        let due = progress.operations >= self.limits.snapshot_operations
            || progress.batches >= self.limits.snapshot_batches;
        if due {
            (progress.operations, progress.batches) = (0, 0);
        }
        due
    }
}

impl Round {
    fn release(self) {
        self.held.into_iter().for_each(Held::release);
    }

    fn refuse(self, why: Lost) {
        metrics::answers_lost(self.held.len());
        self.held.into_iter().for_each(|held| held.refuse(why));
    }
}

fn settle(progress: &mut Progress, outcome: Settled) -> Result<(), Ended> {
    if outcome == Settled::Unknown {
        return Err(Ended::Unsettled);
    }
    if let Some(round) = progress.flight.take() {
        round.release();
    }
    Ok(())
}

/// Keeps rejections apart from a broken state, which ends the thread.
fn ruled(outcome: Result<Answer, Refused>) -> Result<Result<Answer, Rejection>, Ended> {
    match outcome {
        Ok(answer) => Ok(Ok(answer)),
        Err(Refused::Rejected(rejection)) => Ok(Err(rejection)),
        Err(Refused::Broken(broken)) => Err(broken.into()),
    }
}
