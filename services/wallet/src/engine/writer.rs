//! Who owns a partition's state: drives its [`Rounds`]. Nothing here waits: it takes what is there and
//! says how far it came.

use std::sync::Arc;
use std::time::Instant;

use kernel::Clock;
use tokio::sync::mpsc;
use wallet_domain::{Broken, Origin, Request};

use super::Validity;
use super::mailbox::{Found, Mailbox};
use super::rounds::{Append, Launch, Rounds};
use super::settling::Settled;
use super::work::Lost;

/// The owner of one partition's state.
pub(crate) struct PartitionWriter {
    pub(crate) rounds: Rounds,
    pub(crate) mailbox: Arc<Mailbox>,
    /// Has room for the one batch that may be on its way.
    pub(crate) appends: mpsc::Sender<Append>,
    pub(crate) validity: Validity,
    pub(crate) clock: Arc<dyn Clock>,
}

/// How the filling of a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// The round takes no more.
    Full,
    /// Nothing waits.
    Drained,
    /// Nothing waits and nothing will come.
    Closed,
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

/// How far the work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Until the append ends, nothing more can be taken.
    Full,
    /// Nothing waits.
    Idle,
    /// Everything is answered, and nothing will come.
    Over,
}

/// Why a partition ended before its mailbox was closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("an append could not be settled")]
    Unsettled,
    #[error("the ledger's state is broken")]
    Broken(#[from] Broken),
    #[error("the writer panicked")]
    Panicked,
}

impl PartitionWriter {
    /// Decides what waits, and sends it on its way, as far as that is possible now.
    pub(crate) fn work(&mut self) -> Result<Rest, Ended> {
        loop {
            let filled = self.fill()?;
            match self.launch(Instant::now) {
                Launched::Append(append) => {
                    self.appends.try_send(append).map_err(|_| Ended::Unsettled)?;
                }
                Launched::Answered => {}
                Launched::Nothing => return Ok(self.rest(filled)),
            }
        }
    }

    fn rest(&self, filled: Filled) -> Rest {
        match filled {
            Filled::Full => Rest::Full,
            Filled::Closed if !self.rounds.is_in_flight() => Rest::Over,
            Filled::Closed | Filled::Drained => Rest::Idle,
        }
    }

    /// Takes what has arrived, while there is room.
    pub(crate) fn fill(&mut self) -> Result<Filled, Ended> {
        while !self.rounds.is_full() {
            match self.mailbox.take() {
                Found::Work(work) => self.rounds.decide(work, self.clock.wall().as_millisecond())?,
                Found::Nothing => return Ok(Filled::Drained),
                Found::Closed => return Ok(Filled::Closed),
            }
        }
        Ok(Filled::Full)
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

    /// Gives up: nothing that was decided and is not answered counts.
    pub(crate) fn abandon(self) {
        self.rounds.abandon();
        self.mailbox.discard();
    }
}
