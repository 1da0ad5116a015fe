//! The thread that owns a partition's state: drives its [`Rounds`]. Nothing here waits except for the
//! next piece of work, the end of the append, or the next look at what expires.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, select, tick};
use kernel::Clock;
use tokio::sync::mpsc;
use wallet_domain::{Broken, Origin, Request};

use super::Validity;
use super::appender::Settled;
use super::mailbox::Inbox;
use super::rounds::{Append, Launch, Rounds};
use super::work::{Lost, Work};

/// How often what expires is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// The owner of one partition's state.
pub(crate) struct WriterThread {
    pub(crate) rounds: Rounds,
    pub(crate) inbox: Inbox,
    pub(crate) appends: mpsc::Sender<Append>,
    pub(crate) settled: Receiver<Settled>,
    pub(crate) validity: Validity,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What became of the round that was filled.
pub(crate) enum Launched {
    /// There was none, or the one before is still on its way.
    Nothing,
    /// It was answered.
    Answered,
    /// Its batch is to be appended.
    Append(Append),
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
        let looks = tick(LOOK);
        let ended = self.work(&looks);
        self.rounds.abandon();
        ended
    }

    fn work<T>(&mut self, looks: &Receiver<T>) -> Result<(), Ended> {
        loop {
            if looks.try_recv().is_ok() {
                self.expire()?;
            }
            let closed = self.fill()?;
            match self.launch(Instant::now) {
                Launched::Append(append) => {
                    self.appends.blocking_send(append).map_err(|_| Ended::Unsettled)?;
                }
                Launched::Answered => {}
                Launched::Nothing if closed && !self.rounds.is_in_flight() => return Ok(()),
                Launched::Nothing => self.wait(closed, looks)?,
            }
        }
    }

    /// Sends the round that was filled on its way. What decided no facts is answered here, if the
    /// lease holds now.
    pub(crate) fn launch(&mut self, now: impl FnOnce() -> Instant) -> Launched {
        match self.rounds.launch() {
            Launch::Append(append) => return Launched::Append(append),
            Launch::Answer(round) if self.validity.holds(now()) => round.release(),
            Launch::Answer(round) => round.refuse(Lost::LeaseUncertain),
            Launch::Nothing => return Launched::Nothing,
        }
        Launched::Answered
    }

    /// Takes what has arrived, while there is room. Answers whether nothing can arrive any more.
    pub(crate) fn fill(&mut self) -> Result<bool, Ended> {
        while !self.rounds.is_full() {
            match self.inbox.receiver.try_recv() {
                Ok(work) => self.decide(work)?,
                Err(error) => return Ok(error.is_disconnected()),
            }
        }
        Ok(false)
    }

    /// Sleeps until the append ends, something may expire or, if there is room, work arrives.
    fn wait<T>(&mut self, closed: bool, looks: &Receiver<T>) -> Result<(), Ended> {
        if self.rounds.is_full() || closed {
            let outcome = self.settled.recv().unwrap_or(Settled::Unknown);
            return self.settle(outcome);
        }
        select! {
            recv(self.settled) -> outcome => self.settle(outcome.unwrap_or(Settled::Unknown)),
            recv(looks) -> _ => self.expire(),
            recv(self.inbox.receiver) -> work => match work {
                Ok(work) => self.decide(work),
                Err(_) => Ok(()), // closed: seen again when filling
            },
        }
    }

    fn decide(&mut self, work: Work) -> Result<(), Ended> {
        self.inbox.taken(work.weight());
        Ok(self.rounds.decide(work, self.clock.wall().as_millisecond())?)
    }

    /// The append has ended.
    pub(crate) fn settle(&mut self, outcome: Settled) -> Result<(), Ended> {
        if outcome == Settled::Unknown {
            return Err(Ended::Unsettled);
        }
        if let Some(round) = self.rounds.durable() {
            round.release();
        }
        Ok(())
    }

    /// Lets what is due expire, by each tenant's own clock.
    pub(crate) fn expire(&mut self) -> Result<(), Ended> {
        for (tenant, due_ms) in self.rounds.next_due() {
            let at_ms = self.clock.now(tenant).as_millisecond();
            if due_ms <= at_ms {
                let origin = Origin { actor: "service:wallet".to_owned(), ..Origin::default() };
                let request = Request { tenant, at_ms, origin: Arc::new(origin), roles: Arc::default() };
                self.rounds.expire(&request, self.clock.wall().as_millisecond())?;
            }
        }
        Ok(())
    }
}
