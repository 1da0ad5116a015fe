//! What a run was about: promises that were never put to the test prove nothing.

use std::collections::BTreeMap;
use std::fmt;

use super::auditor::Auditor;
use super::client::Client;
use super::disk::Seen;
use super::process::Process;

/// Counts of one run or of many.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub(super) crashes: u64,
    pub(super) pauses: u64,
    pub(super) clock_steps: u64,
    pub(super) leaves: u64,
    pub(super) snapshots_lost: u64,
    pub(super) storms: u64,
    pub(super) batches: u64,
    pub(super) recoveries: u64,
    pub(super) asked_again: u64,
    pub(super) gave_up: u64,
    pub(super) refused: u64,
    pub(super) observations: u64,
    pub(super) journal: Seen,
    /// Operations that were acknowledged, by verb.
    pub(super) done: BTreeMap<String, u64>,
}

impl Report {
    pub(super) fn end(&mut self, auditor: &Auditor, clients: &[Client], processes: &[Process]) {
        self.recoveries = processes.iter().map(|process| process.recoveries).sum();
        self.asked_again = clients.iter().map(|client| client.asked_again).sum();
        self.gave_up = clients.iter().map(|client| client.gave_up).sum();
        self.refused = auditor.refusals.values().sum();
        self.observations = auditor.observed();
        for (nth, order) in auditor.orders.iter().enumerate() {
            if auditor.is_done(nth) {
                let verb = format!("{:?}", order.command.verb);
                let name = verb.split(['(', ' ']).next().unwrap_or_default();
                *self.done.entry(name.to_owned()).or_default() += 1;
            }
        }
    }

    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        let mine = self.counts_mut();
        for ((_, mine), (_, other)) in mine.into_iter().zip(other.counts()) {
            *mine += other;
        }
        other.done.iter().for_each(|(verb, count)| *self.done.entry(verb.clone()).or_default() += count);
    }

    /// Everything that was counted, by name.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        self.clone().counts_mut().into_iter().map(|(name, count)| (name, *count)).collect()
    }

    /// Operations that were acknowledged, by verb.
    #[must_use]
    pub const fn done(&self) -> &BTreeMap<String, u64> {
        &self.done
    }

    fn counts_mut(&mut self) -> Vec<(&'static str, &mut u64)> {
        let journal = &mut self.journal;
        vec![
            ("crashes", &mut self.crashes),
            ("pauses", &mut self.pauses),
            ("clock steps", &mut self.clock_steps),
            ("orderly leaves", &mut self.leaves),
            ("snapshots lost", &mut self.snapshots_lost),
            ("storms", &mut self.storms),
            ("batches", &mut self.batches),
            ("recoveries", &mut self.recoveries),
            ("asked again", &mut self.asked_again),
            ("gave up", &mut self.gave_up),
            ("refused", &mut self.refused),
            ("reads and refusals compared", &mut self.observations),
            ("orders fenced", &mut journal.fenced),
            ("rows found taken", &mut journal.taken),
            ("orders lost", &mut journal.orders_lost),
            ("answers lost", &mut journal.answers_lost),
            ("orders that came late", &mut journal.late),
            ("takeovers", &mut journal.takeovers),
            ("recoveries from a snapshot", &mut journal.snapshots_used),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = self.counts().into_iter().map(|(name, count)| (name.to_owned(), count));
        let done = self.done.iter().map(|(verb, count)| (format!("done: {verb}"), *count));
        for (name, count) in counts.chain(done) {
            writeln!(f, "{count:>10}  {name}")?;
        }
        Ok(())
    }
}
