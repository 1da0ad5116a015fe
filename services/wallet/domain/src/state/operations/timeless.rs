//! Operations whose id says no time, or one that was ahead of our clock: one table, because nothing
//! in the id says where to look.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::{Seen, own_time_ms};
use crate::state::{PAGE_ROWS, Paged};

/// The remembered operations whose id says no time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeless {
    pub(crate) rows: Paged<Seen>,
    /// Ids that were used up to this batch are no longer all known.
    pub(crate) horizon: u64,
    /// The latest own time among the forgotten: ids that were ahead of our clock are kept here too.
    pub(crate) early_ms: i64,
    /// The latest own time among all that ever were here.
    latest_ms: i64,
    /// Places among the rows, counted from the first that ever was.
    index: HashTable<u64>,
    hasher: RandomState,
}

impl Timeless {
    /// A table that remembers nothing, with so many pages forgotten before.
    pub(crate) fn beginning_after(pages: usize, horizon: u64, early_ms: i64) -> Self {
        let rows = Paged::beginning_after(pages);
        Self { rows, horizon, early_ms, latest_ms: early_ms, ..Self::default() }
    }

    /// Whether an id made at this time may be here.
    pub(crate) const fn may_know(&self, own_time_ms: i64) -> bool {
        own_time_ms <= self.latest_ms
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn find(&self, tenant: u32, id: (u64, u64)) -> Option<&Seen> {
        let row = |place: &u64| self.rows.get(usize::try_from(*place).unwrap_or(usize::MAX));
        let same = |place: &u64| row(place).is_some_and(|seen| seen.id == id && seen.tenant == tenant);
        self.index.find(self.hasher.hash_one((tenant, id)), same).and_then(row)
    }

    /// Records an operation that is not known yet; none if it is. `own_time_ms` is 0 for none.
    pub(crate) fn record(&mut self, seen: Seen, own_time_ms: i64) -> Option<()> {
        let place = u64::try_from(self.rows.next_index()).ok()?;
        let hash = self.hasher.hash_one((seen.tenant, seen.id));
        let (rows, hasher) = (&self.rows, &self.hasher);
        let row = |place: &u64| rows.get(usize::try_from(*place).unwrap_or(usize::MAX));
        let same = |other: &u64| row(other).is_some_and(|row| (row.tenant, row.id) == (seen.tenant, seen.id));
        let rehash = |place: &u64| row(place).map_or(0, |seen| hasher.hash_one((seen.tenant, seen.id)));
        match self.index.entry(hash, same, rehash) {
            hashbrown::hash_table::Entry::Occupied(_) => return None,
            hashbrown::hash_table::Entry::Vacant(free) => free.insert(place),
        };
        self.rows.push(seen);
        self.latest_ms = self.latest_ms.max(own_time_ms);
        Some(())
    }

    /// Records a row of a snapshot.
    pub(crate) fn restore(&mut self, seen: Seen) -> Option<()> {
        self.record(seen, own_time_ms(seen.id).unwrap_or_default())
    }

    pub(crate) fn surplus_pages(&self, window: usize) -> u32 {
        u32::try_from(self.rows.len().saturating_sub(window) / PAGE_ROWS).unwrap_or(u32::MAX)
    }

    /// Forgets the oldest pages.
    pub(crate) fn forget(&mut self, pages: u32) {
        for _ in 0..pages {
            let first = self.rows.dropped().saturating_mul(PAGE_ROWS);
            let Some(page) = self.rows.pop_page() else { return };
            for (seen, place) in page.iter().zip(first..) {
                self.horizon = self.horizon.max(seen.sequence);
                self.early_ms = self.early_ms.max(own_time_ms(seen.id).unwrap_or_default());
                let hash = self.hasher.hash_one((seen.tenant, seen.id));
                let same = |other: &u64| usize::try_from(*other).is_ok_and(|other| other == place);
                if let Ok(entry) = self.index.find_entry(hash, same) {
                    entry.remove();
                }
            }
        }
    }
}
