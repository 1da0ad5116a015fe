//! What was looked at, how long that took, and what was found.

use std::fmt;

use serde::Serialize;

use super::finding::Finding;

/// What was looked at of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartitionReport {
    /// The partition.
    pub partition: u16,
    /// The first batch looked at; a proof begins with 1.
    pub first_sequence: u64,
    /// The last batch looked at.
    pub last_sequence: u64,
    /// The hash of that batch, hexadecimal: keep it somewhere else, and name it the next time.
    pub head: String,
    /// The epoch of that batch.
    pub epoch: u64,
    /// Operations.
    pub operations: u64,
    /// Postings.
    pub postings: u64,
    /// Effects.
    pub effects: u64,
    /// Accounts.
    pub accounts: u64,
    /// Lots with units left.
    pub open_lots: u64,
    /// Holds that have not ended.
    pub open_holds: u64,
    /// The batch of the snapshot that was compared.
    pub snapshot_sequence: Option<u64>,
    /// Up to which batch the tables were compared; none without a database.
    pub projected_sequence: Option<u64>,
    /// Entries that were compared.
    pub entries: u64,
    /// How long replaying took.
    pub replay_milliseconds: u64,
    /// How long comparing tables took.
    pub tables_milliseconds: u64,
    /// What is wrong; nothing behind the first finding of a replay could be looked at.
    pub findings: Vec<Finding>,
}

/// What was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By partition.
    pub partitions: Vec<PartitionReport>,
    /// What is wrong with no partition in particular.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Everything that is wrong, in the order in which it was found.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        self.partitions.iter().flat_map(|partition| &partition.findings).chain(&self.findings)
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.all_findings().next().is_none()
    }

    /// Operations of all partitions.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.operations).sum()
    }
}

impl fmt::Display for PartitionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, operations, postings, accounts, open_lots, open_holds, .. } = self;
        if self.last_sequence == 0 {
            return writeln!(f, "partition {partition}: empty");
        }
        writeln!(f, "partition {partition}: batches {} to {}", self.first_sequence, self.last_sequence)?;
        writeln!(f, "  {operations} operations, {postings} postings, {} effects", self.effects)?;
        writeln!(f, "  {accounts} accounts, {open_lots} lots, {open_holds} open holds")?;
        if self.first_sequence > 1 {
            writeln!(f, "  begins in the middle: only the chain was checked, no balances")?;
        }
        match self.snapshot_sequence {
            Some(sequence) => writeln!(f, "  snapshot of batch {sequence} compared")?,
            None => writeln!(f, "  no snapshot compared")?,
        }
        match self.projected_sequence {
            Some(sequence) => {
                writeln!(f, "  tables compared up to batch {sequence}, {} entries", self.entries)?
            }
            None => writeln!(f, "  no tables compared")?,
        }
        writeln!(f, "  head {partition}:{}:{} in epoch {}", self.last_sequence, self.head, self.epoch)?;
        writeln!(f, "  replay {} ms, tables {} ms", self.replay_milliseconds, self.tables_milliseconds)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.partitions.iter().try_for_each(|partition| write!(f, "{partition}"))?;
        self.all_findings().try_for_each(|finding| writeln!(f, "WRONG {finding}"))?;
        match self.all_findings().count() {
            0 => writeln!(f, "ok: nothing is wrong with {} operations", self.operations()),
            1 => writeln!(f, "1 finding"),
            count => writeln!(f, "{count} findings"),
        }
    }
}
