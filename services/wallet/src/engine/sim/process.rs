//! A replica: asks for the lease, recovers, serves, starts over, as `partition.rs` does; may crash,
//! be paused and wake up stale, be told to leave, and has a clock of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use journal::{Claim, Holder, Journal as _, JournalError, Lease};
use wallet_domain::samples::NOON_MS;

use super::clock::SimClock;
use super::dice::Dice;
use super::disk::SimJournal;
use super::owner::{Goes, Keeper, Owner, Pending, TTL, look};
use super::plan::Plan;
use crate::engine::mailbox::Mailbox;
use crate::engine::recovery::{Failed, Recovered, catch_up, recover};

type Recovering = Pending<Result<Recovered, Failed>>;

enum Life {
    Idle { until: Instant },
    Asking { asked: Instant, call: Pending<Result<Claim, JournalError>> },
    Preparing(Recovering),
    Recovering(Keeper, Recovering),
    Serving(Box<Owner>),
    Releasing(Pending<Result<(), JournalError>>),
}

pub(super) struct Process {
    pub(super) number: usize,
    lives: usize,
    journal: SimJournal,
    clock: Arc<SimClock>,
    /// By how much its clock is ahead.
    pub(super) ahead_ms: i64,
    pub(super) paused_until: Instant,
    pub(super) mailbox: Option<Arc<Mailbox>>,
    life: Life,
    /// Writers whose ownership is over and that may not know.
    stale: Vec<Owner>,
    prepared: Option<Recovered>,
    sizes: (usize, u64),
    heir: usize,
    pub(super) recoveries: u64,
    /// What it did since the last look, for the story.
    pub(super) said: Vec<String>,
    /// What must never happen.
    pub(super) broken: Option<String>,
}

impl Process {
    pub(super) fn new(number: usize, journal: SimJournal, plan: &Plan, now: Instant) -> Self {
        Self {
            number,
            lives: 0,
            journal,
            clock: Arc::default(),
            ahead_ms: 0,
            paused_until: now,
            mailbox: None,
            life: Life::Idle { until: now },
            stale: Vec::new(),
            prepared: None,
            sizes: (plan.batch, plan.snapshot_batches),
            heir: plan.heir,
            recoveries: 0,
            said: Vec::new(),
            broken: None,
        }
    }

    /// What its clock shows.
    pub(super) fn wall_ms(&self, now_ms: i64) -> i64 {
        NOON_MS + now_ms + self.ahead_ms
    }

    /// All of it is gone at once; it comes back under another name.
    pub(super) fn crash(&mut self, until: Instant) {
        self.lives += 1;
        (self.mailbox, self.prepared) = (None, None);
        self.stale.clear();
        self.life = Life::Idle { until };
    }

    /// Takes nothing more, finishes what it has, gives the lease back.
    pub(super) fn leave(&mut self) {
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.close();
        }
    }

    pub(super) fn step(&mut self, now: Instant, now_ms: i64, dice: &mut Dice) {
        if now < self.paused_until {
            return;
        }
        self.clock.0.store(self.wall_ms(now_ms), Ordering::Relaxed);
        if !self.stale.is_empty() && dice.chance(300) {
            let place = dice.below(self.stale.len());
            let stale = &mut self.stale[place];
            stale.step(&self.journal, now, dice);
            self.broken = self.broken.take().or_else(|| stale.broken.take());
            self.stale.retain(|stale| !stale.has_ended());
            return;
        }
        let life = std::mem::replace(&mut self.life, Life::Idle { until: now });
        self.life = self.live(life, now, dice);
    }

    fn live(&mut self, life: Life, now: Instant, dice: &mut Dice) -> Life {
        match life {
            Life::Idle { until } if now < until => Life::Idle { until },
            Life::Idle { .. } => self.ask(now),
            Life::Asking { asked, mut call } => match look(&mut call) {
                None => Life::Asking { asked, call },
                Some(Ok(Claim::Granted(lease))) => {
                    let keeper = Keeper::granted(lease, asked, now);
                    Life::Recovering(keeper, self.recover())
                }
                Some(Ok(Claim::Held(_))) if dice.chance(self.heir) => Life::Preparing(self.recover()),
                Some(Ok(Claim::Held(_))) => Life::Idle { until: now + TTL / 4 },
                Some(Err(_)) => Life::Idle { until: now + Duration::from_millis(50) },
            },
            Life::Preparing(mut call) => match look(&mut call) {
                None => Life::Preparing(call),
                Some(outcome) => {
                    self.prepared = self.sound(outcome);
                    Life::Idle { until: now + Duration::from_millis(20) }
                }
            },
            Life::Recovering(mut keeper, mut call) => {
                if dice.chance(500) && keeper.step(&self.journal, now) {
                    return self.release(keeper.lease);
                }
                match look(&mut call) {
                    None => Life::Recovering(keeper, call),
                    Some(outcome) => match self.sound(outcome) {
                        Some(recovered) => self.serve(keeper, recovered),
                        None => self.release(keeper.lease),
                    },
                }
            }
            Life::Serving(owner) => self.own(owner, now, dice),
            Life::Releasing(mut call) => match look(&mut call) {
                None => Life::Releasing(call),
                Some(_) => Life::Idle { until: now },
            },
        }
    }

    fn ask(&self, now: Instant) -> Life {
        let (journal, holder) = (self.journal.clone(), self.holder());
        Life::Asking { asked: now, call: Box::pin(async move { journal.acquire(0, &holder, TTL).await }) }
    }

    fn holder(&self) -> Holder {
        Holder { owner: format!("{}.{}", self.number, self.lives), address: String::new() }
    }

    fn recover(&mut self) -> Recovering {
        let (journal, prepared) = (self.journal.clone(), self.prepared.take());
        Box::pin(async move {
            match prepared {
                Some(mut recovered) => {
                    catch_up(&journal, 0, &mut recovered).await?;
                    Ok(recovered)
                }
                None => recover(&journal, 0).await,
            }
        })
    }

    /// A journal may be silent; what it tells must be sound.
    fn sound(&mut self, outcome: Result<Recovered, Failed>) -> Option<Recovered> {
        match outcome {
            Ok(recovered) => Some(recovered),
            Err(Failed::Journal(JournalError::Unavailable(_))) => None,
            Err(failed) => {
                self.broken = Some(format!("cannot be recovered: {failed:?}"));
                None
            }
        }
    }

    fn serve(&mut self, keeper: Keeper, recovered: Recovered) -> Life {
        self.recoveries += 1;
        let (epoch, sequence) = (keeper.lease.epoch, recovered.chain.sequence());
        self.said
            .push(format!("serves in epoch {epoch} from batch {sequence}, {} replayed", recovered.replayed));
        let (owner, mailbox) = Owner::new(keeper, recovered, self.sizes, Arc::clone(&self.clock));
        self.mailbox = Some(mailbox);
        Life::Serving(Box::new(owner))
    }

    fn own(&mut self, mut owner: Box<Owner>, now: Instant, dice: &mut Dice) -> Life {
        let goes = owner.step(&self.journal, now, dice);
        self.broken = self.broken.take().or_else(|| owner.broken.take());
        if goes == Goes::On && !owner.has_ended() {
            return Life::Serving(owner);
        }
        self.leave();
        self.said.push(format!("serves no more: {goes:?}"));
        let lease = owner.detach();
        if !owner.has_ended() {
            self.stale.push(*owner);
        }
        match lease {
            Some(lease) => self.release(lease),
            None => Life::Idle { until: now },
        }
    }

    fn release(&self, lease: Lease) -> Life {
        let journal = self.journal.clone();
        Life::Releasing(Box::pin(async move { journal.release(lease).await }))
    }
}
