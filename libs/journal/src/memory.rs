//! A journal in memory, for tests: clones share it, so a test can play several processes; mishaps
//! can be ordered to happen to the next appends.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Claim, Holder, Journal, JournalError, Lease, Row, Snapshot};

/// What shall happen to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It is not appended, and the caller is not told.
    Lost,
    /// It is appended, and the caller is not told.
    AnswerLost,
    /// It takes this long.
    Slow(Duration),
}

/// A journal in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    leases: HashMap<u16, (Lease, Holder, Instant)>,
    rows: BTreeMap<(u16, u64), Row>,
    snapshots: BTreeMap<(u16, u64), Snapshot>,
    mishaps: VecDeque<Mishap>,
}

impl MemoryJournal {
    /// Orders mishaps for the next appends, one each.
    pub fn order(&self, mishaps: impl IntoIterator<Item = Mishap>) {
        self.kept().mishaps.extend(mishaps);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn present(&self, lease: Lease) -> Result<(), JournalError> {
        let present = self.leases.get(&lease.partition).is_some_and(|(held, ..)| *held == lease);
        if present { Ok(()) } else { Err(JournalError::Fenced { lease }) }
    }

    fn insert(&mut self, lease: Lease, row: &Row) -> Result<(), JournalError> {
        let (partition, sequence) = (lease.partition, row.sequence);
        self.present(lease)?;
        if self.rows.contains_key(&(partition, sequence)) {
            return Err(JournalError::Taken { partition, sequence });
        }
        if sequence > 1 && !self.rows.contains_key(&(partition, sequence - 1)) {
            return Err(JournalError::Gap { partition, sequence });
        }
        self.rows.insert((partition, sequence), row.clone());
        Ok(())
    }
}

impl Journal for MemoryJournal {
    async fn acquire(&self, partition: u16, holder: &Holder, ttl: Duration) -> Result<Claim, JournalError> {
        let (mut kept, now) = (self.kept(), Instant::now());
        let epoch = match kept.leases.get(&partition) {
            Some((_, other, until)) if *until > now && other.owner != holder.owner => {
                return Ok(Claim::Held(other.clone()));
            }
            Some((lease, ..)) => lease.epoch + 1,
            None => 1,
        };
        let lease = Lease { partition, epoch };
        kept.leases.insert(partition, (lease, holder.clone(), now + ttl));
        Ok(Claim::Granted(lease))
    }

    async fn renew(&self, lease: Lease, ttl: Duration) -> Result<(), JournalError> {
        let mut kept = self.kept();
        kept.present(lease)?;
        if let Some((.., until)) = kept.leases.get_mut(&lease.partition) {
            *until = Instant::now() + ttl;
        }
        Ok(())
    }

    async fn release(&self, lease: Lease) -> Result<(), JournalError> {
        match self.renew(lease, Duration::ZERO).await {
            Err(JournalError::Fenced { .. }) => Ok(()),
            other => other,
        }
    }

    async fn holder(&self, partition: u16) -> Result<Option<Holder>, JournalError> {
        let (kept, now) = (self.kept(), Instant::now());
        let held = kept.leases.get(&partition).filter(|(.., until)| *until > now);
        Ok(held.map(|(_, holder, _)| holder.clone()))
    }

    async fn append(&self, lease: Lease, row: &Row) -> Result<(), JournalError> {
        let mishap = self.kept().mishaps.pop_front();
        match mishap {
            None => self.kept().insert(lease, row),
            Some(Mishap::Lost) => Err(JournalError::unavailable("lost on the way")),
            Some(Mishap::AnswerLost) => {
                self.kept().insert(lease, row)?;
                Err(JournalError::unavailable("the answer was lost"))
            }
            Some(Mishap::Slow(pause)) => {
                tokio::time::sleep(pause).await;
                self.kept().insert(lease, row)
            }
        }
    }

    async fn read(&self, partition: u16, after: u64, limit: u32) -> Result<Vec<Row>, JournalError> {
        let kept = self.kept();
        let rows = kept.rows.range((partition, after.saturating_add(1))..=(partition, u64::MAX));
        Ok(rows.take(limit as usize).map(|(_, row)| row.clone()).collect())
    }

    async fn save_snapshot(&self, lease: Lease, snapshot: &Snapshot) -> Result<(), JournalError> {
        let mut kept = self.kept();
        kept.present(lease)?;
        let partition = lease.partition;
        kept.snapshots.insert((partition, snapshot.sequence), snapshot.clone());
        let all: Vec<_> =
            kept.snapshots.range((partition, 0)..=(partition, u64::MAX)).map(|(key, _)| *key).collect();
        for old in all.iter().rev().skip(2) {
            kept.snapshots.remove(old);
        }
        Ok(())
    }

    async fn latest_snapshot(&self, partition: u16) -> Result<Option<Snapshot>, JournalError> {
        let kept = self.kept();
        let mut found = kept.snapshots.range((partition, 0)..=(partition, u64::MAX));
        Ok(found.next_back().map(|(_, snapshot)| snapshot.clone()))
    }
}
