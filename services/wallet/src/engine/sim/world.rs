//! One run: clients, processes and the journal under one clock, one step after another, every choice
//! from the seed. First everything is opened, then the plan's faults happen, then all is calm until
//! every client knows what became of what it asked; in the end comes the audit.

mod asks;

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use wallet_domain::{Batch, encode_snapshot};

use super::auditor::Auditor;
use super::client::Client;
use super::dice::Dice;
use super::disk::SimJournal;
use super::plan::Plan;
use super::process::Process;
use super::workload::chart;
use super::{Check, Report};
use crate::engine::work::{Reading, View, Work};

/// After so many calm steps everybody must have been served.
const CALM_STEPS_MAX: usize = 60_000;
/// In which every owner looks several times at what is due.
const EXPIRY_STEPS: usize = 300;

pub(super) struct World {
    dice: Dice,
    plan: Plan,
    base: Instant,
    now_ms: u64,
    journal: SimJournal,
    processes: Vec<Process>,
    clients: Vec<Client>,
    auditor: Auditor,
    holds: Vec<ids::OperationId>,
    reservations: Vec<ids::OperationId>,
    report: Report,
    trace: bool,
}

impl World {
    pub(super) fn new(seed: u64, trace: bool) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::drawn(&mut dice);
        let journal = SimJournal::new(dice.fork(), plan.calm());
        let base = Instant::now();
        let process = |number| Process::new(number, journal.clone(), &plan, base);
        let mut world = Self {
            processes: (0..plan.processes).map(process).collect(),
            clients: (0..plan.clients).map(|_| Client::default()).collect(),
            dice,
            plan,
            base,
            now_ms: 0,
            journal,
            auditor: Auditor::default(),
            holds: Vec::new(),
            reservations: Vec::new(),
            report: Report::default(),
            trace,
        };
        world.auditor.is_told = trace;
        world.say(|| format!("{plan:?}"));
        world
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>6} ms  {}", self.now_ms, what());
        }
    }

    /// The whole run.
    pub(super) fn run(mut self) -> Result<Report, String> {
        self.want_openings(chart().len() - 2);
        self.calm_down()?;
        self.journal.disk().plan = self.plan;
        for _ in 0..self.plan.steps {
            self.go_wrong();
            self.ask();
            self.step(self.plan.hang_up)?;
        }
        self.journal.disk().plan = self.plan.calm();
        self.journal.disk().storm_until = 0;
        self.calm_down()?;
        (0..6).for_each(|_| self.want_read());
        self.calm_down()?;
        self.audit()?;
        Ok(self.report)
    }

    fn now(&self) -> Instant {
        self.base + Duration::from_millis(self.now_ms)
    }

    fn signed_ms(&self) -> i64 {
        self.now_ms.cast_signed()
    }

    /// Time passes, one process does something, one client looks.
    fn step(&mut self, hang_up: usize) -> Check {
        let leap = if self.dice.chance(10) { 200 } else { 4 };
        self.now_ms += self.dice.below(leap) as u64;
        self.journal.disk().advance(self.now_ms);
        let (now, now_ms) = (self.now(), self.signed_ms());
        for _ in 0..1 + self.dice.below(6) {
            let place = self.dice.below(self.processes.len());
            let process = &mut self.processes[place];
            process.step(now, now_ms, &mut self.dice);
            let said = std::mem::take(&mut process.said);
            let broken = process.broken.take();
            said.iter().for_each(|said| self.say(|| format!("process {place} {said}")));
            if let Some(broken) = broken {
                return Err(format!("process {place} is broken: {broken}"));
            }
        }
        let process = self.somebody(now);
        let client = self.dice.below(self.clients.len());
        let client = &mut self.clients[client];
        let received = client.receive(&mut self.auditor, now_ms, hang_up, &mut self.dice);
        client.send(&self.processes[process], &mut self.auditor, now_ms);
        let said = std::mem::take(&mut self.auditor.said);
        said.iter().for_each(|said| self.say(|| said.clone()));
        received
    }

    /// Whom a client turns to: one who sleeps more often than others, because what he says when he wakes
    /// up is most likely to be out of date.
    fn somebody(&mut self, now: Instant) -> usize {
        let sleeps = self.processes.iter().position(|process| now < process.paused_until);
        match sleeps {
            Some(sleeper) if self.dice.chance(500) => sleeper,
            _ => self.dice.below(self.processes.len()),
        }
    }

    /// Until everybody knows what became of everything.
    fn calm_down(&mut self) -> Check {
        for _ in 0..CALM_STEPS_MAX {
            if self.clients.iter().all(Client::has_everything) {
                return Ok(());
            }
            self.step(0)?;
        }
        Err("nobody is served any more".to_owned())
    }

    fn go_wrong(&mut self) {
        let (plan, now) = (self.plan, self.now());
        let place = self.dice.below(self.processes.len());
        let later = |dice: &mut Dice, most| now + Duration::from_millis(dice.below(most) as u64);
        if self.dice.chance(plan.crash) {
            let until = later(&mut self.dice, 600);
            self.processes[place].crash(until);
            self.report.crashes += 1;
            self.say(|| format!("process {place} crashes"));
        }
        if self.dice.chance(plan.pause) {
            let long = if self.dice.chance(500) { 300 } else { 0 };
            self.processes[place].paused_until = later(&mut self.dice, 600) + Duration::from_millis(long);
            self.report.pauses += 1;
            self.say(|| format!("process {place} is paused"));
        }
        if self.dice.chance(plan.clock_step) {
            let by_ms = self.dice.between(-4_000, 4_000);
            self.processes[place].ahead_ms += by_ms;
            self.report.clock_steps += 1;
            self.say(|| format!("the clock of process {place} steps by {by_ms} ms"));
        }
        if self.dice.chance(plan.leave) {
            self.processes[place].leave();
            self.report.leaves += 1;
            self.say(|| format!("process {place} gives up what it serves"));
        }
        if self.dice.chance(plan.snapshot_lost) {
            let all = self.dice.chance(300);
            let snapshots = &mut self.journal.disk().snapshots;
            let kept = if all { 0 } else { snapshots.len().saturating_sub(1) };
            snapshots.truncate(kept);
            self.report.snapshots_lost += 1;
        }
        if self.dice.chance(plan.storm) {
            let until = self.now_ms + self.dice.below(600) as u64;
            self.journal.disk().storm_until = until;
            self.report.storms += 1;
            self.say(|| format!("the journal is out of reach until {until} ms"));
        }
    }

    /// Until whatever is due now, by every clock there is, has had its time to expire.
    fn let_expire(&mut self) -> Result<i64, String> {
        let now_ms = self.signed_ms();
        let due_ms = self.processes.iter().map(|process| process.wall_ms(now_ms)).min();
        for _ in 0..EXPIRY_STEPS {
            self.step(0)?;
        }
        Ok(due_ms.unwrap_or_default())
    }

    fn audit(&mut self) -> Check {
        let due_ms = self.let_expire()?;
        self.check_memory()?;
        let disk = self.journal.disk();
        self.auditor.audit(&disk.rows, due_ms)?;
        for snapshot in &disk.snapshots {
            let state = replay(&disk.rows, snapshot.sequence)?;
            if state != snapshot.payload {
                return Err(format!("snapshot {} is not what the journal says", snapshot.sequence));
            }
        }
        self.report.journal = disk.seen;
        self.report.batches = disk.rows.len() as u64;
        drop(disk);
        self.report.end(&self.auditor, &self.clients, &self.processes);
        Ok(())
    }

    /// The owner's state must be what the journal says. While it lets things expire a batch may be
    /// half done, so that it is asked several times.
    fn check_memory(&mut self) -> Check {
        for _ in 0..20 {
            let View { sequence, value } = self.memory()?;
            if replay(&self.journal.disk().rows, sequence)? == value {
                return Ok(());
            }
            self.now_ms += 1_000;
        }
        Err("the owner's memory is not what the journal says".to_owned())
    }

    fn memory(&mut self) -> Result<View<Vec<u8>>, String> {
        for _ in 0..CALM_STEPS_MAX {
            let Some(mailbox) = self.processes.iter().find_map(|process| process.mailbox.clone()) else {
                self.step(0)?;
                continue;
            };
            let (reply, mut answer) = oneshot::channel();
            let _ = mailbox.put(Work::Read(Box::new(Reading { look: encode_snapshot, reply })));
            drop(mailbox);
            for _ in 0..500 {
                self.step(0)?;
                match answer.try_recv() {
                    Ok(Ok(view)) => return Ok(view),
                    Ok(Err(_)) | Err(oneshot::error::TryRecvError::Closed) => break,
                    Err(oneshot::error::TryRecvError::Empty) => {}
                }
            }
        }
        Err("nobody serves any more".to_owned())
    }
}

fn replay(rows: &[journal::Row], through: u64) -> Result<Vec<u8>, String> {
    let mut state = wallet_domain::PartitionState::default();
    for row in rows.iter().take_while(|row| row.sequence <= through) {
        let batch = Batch::from_payload(&row.payload).map_err(|corrupt| corrupt.to_string())?;
        state.apply(row.sequence, &batch).map_err(|broken| broken.to_string())?;
    }
    Ok(encode_snapshot(&state))
}
