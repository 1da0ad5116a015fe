//! Which operation ids were used, with which body, in which batch.
//!
//! Ids that say when they were made (UUIDv7 with a time that is not ahead of ours) are kept for a
//! window of recent operations. What leaves the window raises the horizon, and an unknown id from
//! before the horizon is refused instead of being taken for new: bounded memory without a silent
//! double. Ids that say no time (derived from facts, such as the line of an invoice) have a window
//! of their own; once some have left it, an unknown one is taken for new only when the caller has
//! looked for it in the tables, which remember all of them.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use ids::OperationId;

use super::{PAGE_ROWS, Paged};

/// How far an id's own time may be ahead of ours and still count as its time.
const AHEAD_MS: i64 = 1_000;
/// Marks index entries that point to ids without a time.
const TIMELESS: u64 = 1 << 63;

/// A recorded operation: 40 bytes and about fifteen in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: (u64, u64),
    pub(crate) body: u64,
    pub(crate) sequence: u64,
    pub(crate) tenant: u32,
}

/// What an id that is not remembered may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Novelty {
    /// Never used before.
    New,
    /// Used so long ago that nobody knows.
    MayBeForgotten,
    /// The tables know.
    LookItUp,
}

/// All remembered operations of a partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Operations {
    pub(crate) recent: Paged<Seen>,
    pub(crate) timeless: Paged<Seen>,
    /// Ids whose own time is not after this are no longer all known.
    pub(crate) horizon_ms: i64,
    /// Ids without a time that were used up to this batch are no longer all known.
    pub(crate) timeless_horizon: u64,
    /// The latest own time among them: ids that were ahead of our clock are kept there too.
    pub(crate) early_ms: i64,
    index: HashTable<u64>,
    hasher: RandomState,
}

impl Operations {
    /// A table that remembers nothing, with so many pages forgotten before.
    pub(crate) fn beginning_after(recent_pages: usize, timeless_pages: usize) -> Self {
        let (recent, timeless) =
            (Paged::beginning_after(recent_pages), Paged::beginning_after(timeless_pages));
        Self { recent, timeless, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.recent.len().saturating_add(self.timeless.len())
    }

    /// How many were ever recorded.
    pub(crate) fn ever(&self) -> usize {
        self.recent.next_index().saturating_add(self.timeless.next_index())
    }

    pub(crate) fn find(&self, tenant: u32, operation: OperationId) -> Option<&Seen> {
        let id = operation.as_uuid().as_u64_pair();
        let same = |place: &u64| self.at(*place).is_some_and(|seen| seen.id == id && seen.tenant == tenant);
        self.index.find(self.hasher.hash_one((tenant, id)), same).and_then(|place| self.at(*place))
    }

    /// What an unknown id may be, given that the caller found it unused up to a batch.
    pub(crate) fn novelty(&self, operation: OperationId, unseen_through: u64) -> Novelty {
        match own_time_ms(operation.as_uuid().as_u64_pair()) {
            Some(time) if time <= self.horizon_ms => Novelty::MayBeForgotten,
            Some(time) if time > self.early_ms => Novelty::New,
            _ if self.timeless_horizon > unseen_through => Novelty::LookItUp,
            _ => Novelty::New,
        }
    }

    /// Records an operation that is not known yet; none if it is.
    pub(crate) fn record(&mut self, seen: Seen, at_ms: i64) -> Option<()> {
        let timed = own_time_ms(seen.id).is_some_and(|time| time <= at_ms.saturating_add(AHEAD_MS));
        if timed { self.record_recent(seen) } else { self.record_timeless(seen) }
    }

    pub(crate) fn record_recent(&mut self, seen: Seen) -> Option<()> {
        let place = u64::try_from(self.recent.next_index()).ok()?;
        self.recent.push(seen);
        self.enter(seen, place)
    }

    pub(crate) fn record_timeless(&mut self, seen: Seen) -> Option<()> {
        let place = u64::try_from(self.timeless.next_index()).ok()? | TIMELESS;
        self.timeless.push(seen);
        self.enter(seen, place)
    }

    /// How many pages of ids with and without a time are beyond the `window` to be remembered.
    pub(crate) fn surplus_pages(&self, window: usize) -> (u32, u32) {
        let surplus =
            |rows: usize| u32::try_from(rows.saturating_sub(window) / PAGE_ROWS).unwrap_or(u32::MAX);
        (surplus(self.recent.len()), surplus(self.timeless.len()))
    }

    /// Forgets the oldest pages of ids with and without a time.
    pub(crate) fn forget(&mut self, (recent, timeless): (u32, u32)) {
        for _ in 0..recent {
            let first = self.recent.dropped().saturating_mul(PAGE_ROWS);
            let Some(rows) = self.recent.pop_page() else { break };
            for (seen, index) in rows.iter().zip(first..) {
                self.horizon_ms = self.horizon_ms.max(own_time_ms(seen.id).unwrap_or_default());
                self.leave(seen, index as u64);
            }
        }
        for _ in 0..timeless {
            let first = self.timeless.dropped().saturating_mul(PAGE_ROWS);
            let Some(rows) = self.timeless.pop_page() else { break };
            for (seen, index) in rows.iter().zip(first..) {
                self.timeless_horizon = self.timeless_horizon.max(seen.sequence);
                self.early_ms = self.early_ms.max(own_time_ms(seen.id).unwrap_or_default());
                self.leave(seen, index as u64 | TIMELESS);
            }
        }
    }

    fn leave(&mut self, seen: &Seen, place: u64) {
        let hash = self.hasher.hash_one((seen.tenant, seen.id));
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == place) {
            entry.remove();
        }
    }

    fn enter(&mut self, seen: Seen, place: u64) -> Option<()> {
        let hash = self.hasher.hash_one((seen.tenant, seen.id));
        let (recent, timeless, hasher) = (&self.recent, &self.timeless, &self.hasher);
        let rehash = |place: &u64| {
            row(recent, timeless, *place).map_or(0, |seen| hasher.hash_one((seen.tenant, seen.id)))
        };
        let same = |other: &u64| {
            row(recent, timeless, *other).is_some_and(|row| (row.tenant, row.id) == (seen.tenant, seen.id))
        };
        match self.index.entry(hash, same, rehash) {
            hashbrown::hash_table::Entry::Occupied(_) => None,
            hashbrown::hash_table::Entry::Vacant(free) => {
                free.insert(place);
                Some(())
            }
        }
    }

    fn at(&self, place: u64) -> Option<&Seen> {
        row(&self.recent, &self.timeless, place)
    }
}

fn row<'a>(recent: &'a Paged<Seen>, timeless: &'a Paged<Seen>, place: u64) -> Option<&'a Seen> {
    let index = usize::try_from(place & !TIMELESS).ok()?;
    if place & TIMELESS == 0 { recent.get(index) } else { timeless.get(index) }
}

/// When a UUIDv7 says it was made, in milliseconds since 1970.
fn own_time_ms((high, low): (u64, u64)) -> Option<i64> {
    let (version, variant) = (high >> 12 & 0xf, low >> 62);
    (version == 7 && variant == 2).then(|| i64::try_from(high >> 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: OperationId) -> Seen {
        Seen { id: id.as_uuid().as_u64_pair(), body: 1, sequence: 1, tenant: 0 }
    }

    fn timed(ms: u64, number: u64) -> OperationId {
        OperationId::from_uuid(uuid::Uuid::from_u64_pair(ms << 16 | 0x7000, 2 << 62 | number))
    }

    #[test]
    fn a_timed_id_that_was_forgotten_is_not_taken_for_new() {
        let mut operations = Operations::default();
        for number in 0..PAGE_ROWS as u64 {
            operations.record(seen(timed(5_000, number)), 5_000).unwrap();
        }
        operations.record(seen(timed(6_000, 0)), 6_000).unwrap();
        assert_eq!(operations.surplus_pages(1), (1, 0));
        operations.forget((1, 0));
        assert!(operations.find(0, timed(5_000, 3)).is_none());
        assert_eq!(operations.novelty(timed(5_000, 3), 9), Novelty::MayBeForgotten);
        assert_eq!(operations.novelty(timed(5_001, 0), 0), Novelty::New);
        assert!(operations.find(0, timed(6_000, 0)).is_some());
    }

    #[test]
    fn an_id_without_a_time_that_may_be_forgotten_is_looked_up() {
        let mut operations = Operations::default();
        let derived = |number: usize| OperationId::derived(&[&number.to_string()]);
        assert_eq!(operations.novelty(derived(0), 0), Novelty::New);
        operations.record(seen(timed(9_000_000, 0)), 5_000).unwrap();
        for number in 0..PAGE_ROWS {
            operations.record(Seen { sequence: 7, ..seen(derived(number)) }, 5_000).unwrap();
        }
        assert_eq!(operations.surplus_pages(1), (0, 1));
        operations.forget((0, 1));
        assert!(operations.find(0, derived(3)).is_none());
        assert_eq!(operations.novelty(derived(3), 6), Novelty::LookItUp);
        assert_eq!(operations.novelty(derived(3), 7), Novelty::New, "the caller has looked");
        assert_eq!(operations.novelty(timed(9_000_000, 0), 0), Novelty::LookItUp, "it was ahead of its time");
    }

    #[test]
    fn an_id_is_recorded_once_per_tenant() {
        let mut operations = Operations::default();
        let id = OperationId::derived(&["line"]);
        assert_eq!(operations.record(seen(id), 0), Some(()));
        assert_eq!(operations.record(seen(id), 0), None);
        assert_eq!(operations.record(Seen { tenant: 1, ..seen(id) }, 0), Some(()));
    }
}
