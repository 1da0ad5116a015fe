//! A journal as the processes see it: every call takes its time, may get lost on the way there or
//! back, and may still arrive when the caller has long given up. What has arrived is done at once
//! and as the PostgreSQL journal does it: the lease first, then the number, then the row before.

mod port;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use journal::{Claim, Holder, JournalError, Lease, Row, Snapshot};

use super::dice::Dice;
use super::plan::Plan;

/// After so long without an answer a caller is told that there is none.
const PATIENCE: u64 = 120;

/// One process's way to the journal; clones share it.
#[derive(Clone)]
pub(super) struct SimJournal(Arc<Mutex<Disk>>);

pub(super) struct Disk {
    now: u64,
    dice: Dice,
    pub(super) plan: Plan,
    pub(super) epoch: u64,
    holder: Option<Holder>,
    expires: u64,
    pub(super) rows: Vec<Row>,
    pub(super) snapshots: Vec<Snapshot>,
    calls: BTreeMap<u64, Call>,
    next_call: u64,
    /// Until then nothing gets through.
    pub(super) storm_until: u64,
    pub(super) seen: Seen,
}

/// What has happened, so that a run can say what it was about.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) fenced: u64,
    pub(super) taken: u64,
    pub(super) orders_lost: u64,
    pub(super) answers_lost: u64,
    pub(super) late: u64,
    pub(super) takeovers: u64,
    pub(super) snapshots_used: u64,
}

enum Order {
    Acquire(Holder, Duration),
    Renew(Lease, Duration),
    Holder,
    Append(Lease, Row),
    Read(u64, u32),
    Save(Lease, Snapshot),
    Latest,
}

enum Told {
    Claim(Claim),
    Holder(Option<Holder>),
    Done,
    Rows(Vec<Row>),
    Snapshot(Option<Snapshot>),
}

struct Call {
    /// None when it has been done.
    order: Option<Order>,
    /// When it arrives, if it does.
    arrives: Option<u64>,
    told: Option<Result<Told, JournalError>>,
    /// When the answer arrives, if it does.
    answered: Option<u64>,
    gives_up: u64,
    is_forgotten: bool,
}

impl SimJournal {
    pub(super) fn new(dice: Dice, plan: Plan) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            now: 0,
            dice,
            plan,
            epoch: 0,
            holder: None,
            expires: 0,
            rows: Vec::new(),
            snapshots: Vec::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            storm_until: 0,
            seen: Seen::default(),
        })))
    }

    pub(super) fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, order: Order) -> Result<Told, JournalError> {
        let asked = Asked { journal: self, number: self.disk().send(order) };
        poll_fn(|_| match self.disk().answer(asked.number) {
            Some(told) => Poll::Ready(told),
            None => Poll::Pending,
        })
        .await
    }
}

/// A call that somebody waits for.
struct Asked<'a> {
    journal: &'a SimJournal,
    number: u64,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.journal.disk().forget(self.number);
    }
}

impl Disk {
    fn send(&mut self, order: Order) -> u64 {
        let (dice, plan) = (&mut self.dice, &self.plan);
        let is_storm = self.now < self.storm_until;
        let slow = |dice: &mut Dice| {
            let is_slow = dice.chance(plan.slow);
            dice.between(0, if is_slow { 400 } else { 5 }).cast_unsigned()
        };
        let (there, back) = (slow(dice), slow(dice));
        let is_lost = dice.chance(plan.order_lost) || is_storm && dice.chance(500);
        let is_answer_lost = dice.chance(plan.answer_lost) || is_storm;
        self.seen.orders_lost += u64::from(is_lost);
        self.seen.answers_lost += u64::from(is_answer_lost);
        let arrives = (!is_lost).then_some(self.now + there);
        let answered = arrives.filter(|_| !is_answer_lost).map(|at| at + back);
        let gives_up = self.now + PATIENCE;
        let call = Call { order: Some(order), arrives, told: None, answered, gives_up, is_forgotten: false };
        self.next_call += 1;
        self.calls.insert(self.next_call, call);
        self.next_call
    }

    fn answer(&mut self, number: u64) -> Option<Result<Told, JournalError>> {
        let now = self.now;
        let call = self.calls.get_mut(&number)?;
        if call.answered.is_some_and(|at| at <= now) && call.told.is_some() {
            return call.told.take();
        }
        (now >= call.gives_up).then(|| Err(JournalError::unavailable("no answer")))
    }

    /// Nobody waits any more. What has not left the machine may never leave it.
    fn forget(&mut self, number: u64) {
        let is_lost = self.dice.chance(500);
        if let Some(call) = self.calls.get_mut(&number) {
            call.is_forgotten = true;
            if is_lost || call.order.is_none() || call.arrives.is_none() {
                self.calls.remove(&number);
            }
        }
    }

    /// Lets what has arrived by then happen, in the order of arrival.
    pub(super) fn advance(&mut self, now: u64) {
        let mut arriving: Vec<(u64, u64)> = self
            .calls
            .iter()
            .filter(|(_, call)| call.order.is_some())
            .filter_map(|(number, call)| Some((call.arrives.filter(|at| *at <= now)?, *number)))
            .collect();
        arriving.sort_unstable();
        for (at, number) in arriving {
            self.now = self.now.max(at);
            let Some(call) = self.calls.get_mut(&number) else { continue };
            let (is_forgotten, order) = (call.is_forgotten, call.order.take());
            self.seen.late += u64::from(is_forgotten);
            let told = order.map(|order| self.obey(order));
            match self.calls.get_mut(&number) {
                Some(call) if !is_forgotten => call.told = told,
                _ => drop(self.calls.remove(&number)),
            }
        }
        self.now = now;
    }

    fn obey(&mut self, order: Order) -> Result<Told, JournalError> {
        match order {
            Order::Acquire(holder, ttl) => Ok(Told::Claim(self.acquire(holder, ttl))),
            Order::Renew(lease, ttl) => {
                self.present(lease)?;
                self.expires = self.now + millis(ttl);
                Ok(Told::Done)
            }
            Order::Holder => Ok(Told::Holder(self.holder.clone().filter(|_| self.now < self.expires))),
            Order::Append(lease, row) => self.append(lease, row),
            Order::Read(after, limit) => {
                let rows = self.rows.iter().filter(|row| row.sequence > after).take(limit as usize);
                Ok(Told::Rows(rows.cloned().collect()))
            }
            Order::Save(lease, snapshot) => {
                self.present(lease)?;
                self.snapshots.retain(|kept| kept.sequence != snapshot.sequence);
                self.snapshots.push(snapshot);
                self.snapshots.sort_by_key(|kept| kept.sequence);
                let surplus = self.snapshots.len().saturating_sub(2);
                self.snapshots.drain(..surplus);
                Ok(Told::Done)
            }
            Order::Latest => {
                self.seen.snapshots_used += u64::from(!self.snapshots.is_empty());
                Ok(Told::Snapshot(self.snapshots.last().cloned()))
            }
        }
    }

    fn acquire(&mut self, holder: Holder, ttl: Duration) -> Claim {
        if let Some(other) = self.holder.as_ref().filter(|other| other.owner != holder.owner)
            && self.now < self.expires
        {
            return Claim::Held(other.clone());
        }
        self.seen.takeovers += u64::from(self.epoch > 0);
        self.epoch += 1;
        (self.holder, self.expires) = (Some(holder), self.now + millis(ttl));
        Claim::Granted(Lease { partition: 0, epoch: self.epoch })
    }

    fn present(&mut self, lease: Lease) -> Result<(), JournalError> {
        if lease.epoch == self.epoch {
            return Ok(());
        }
        self.seen.fenced += 1;
        Err(JournalError::Fenced { lease })
    }

    fn append(&mut self, lease: Lease, row: Row) -> Result<Told, JournalError> {
        let (partition, sequence, last) = (lease.partition, row.sequence, self.rows.len() as u64);
        self.present(lease)?;
        if sequence <= last {
            self.seen.taken += 1;
            return Err(JournalError::Taken { partition, sequence });
        }
        if sequence > last + 1 {
            return Err(JournalError::Gap { partition, sequence });
        }
        self.rows.push(row);
        Ok(Told::Done)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
