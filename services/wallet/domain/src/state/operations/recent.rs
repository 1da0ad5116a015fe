//! Operations whose id says its time, in generations.
//!
//! Every generation knows between which times its ids were made. New ids are newer than nearly all
//! of them, so a look-up asks the one or two generations that can know the answer, and these are small
//! enough to lie in the processor's cache. A generation is forgotten as a whole, and shared as a whole
//! with a clone of the state.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::Seen;
use crate::state::PAGE_ROWS;

/// Pages of one generation: as many as fill a table of 65 536 places; one in unit tests, which then
/// need not fill a real one.
const GENERATION_PAGES: u32 = if cfg!(test) { 1 } else { 112 };
/// Rows of one generation.
pub(super) const GENERATION_ROWS: usize = GENERATION_PAGES as usize * PAGE_ROWS;

/// The remembered operations whose id says its time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent {
    /// The newest last.
    generations: VecDeque<Arc<Generation>>,
    /// When the ids of each were made; beside them, so that asking who could know touches nothing else.
    spans: VecDeque<Span>,
    /// Pages that were forgotten, those included whose generation is still there.
    pub(crate) forgotten_pages: u64,
    /// Ids whose own time is not after this are no longer all known.
    pub(crate) horizon_ms: i64,
    hasher: RandomState,
}

/// Operations that were recorded one after another.
#[derive(Debug, Clone, Default)]
struct Generation {
    rows: Vec<Seen>,
    /// Places among the rows.
    index: HashTable<u16>,
}

/// Between which times the ids of a generation were made.
#[derive(Debug, Clone, Copy)]
struct Span {
    oldest_ms: i64,
    newest_ms: i64,
}

impl Recent {
    /// A table that remembers nothing, with so many pages forgotten before.
    pub(crate) fn beginning_after(forgotten_pages: u64, horizon_ms: i64) -> Self {
        Self { forgotten_pages, horizon_ms, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        let full = self.generations.len().saturating_sub(1).saturating_mul(GENERATION_ROWS);
        full.saturating_add(self.generations.back().map_or(0, |last| last.rows.len()))
    }

    /// How many were ever recorded.
    pub(crate) fn ever(&self) -> usize {
        let gone = generations(self.forgotten_pages);
        usize::try_from(gone).unwrap_or(usize::MAX).saturating_mul(GENERATION_ROWS).saturating_add(self.len())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.generations.iter().flat_map(|generation| generation.rows.iter())
    }

    pub(crate) fn find(&self, tenant: u32, id: (u64, u64), time_ms: i64) -> Option<&Seen> {
        let hash = self.hasher.hash_one((tenant, id));
        let covering = self.spans.iter().enumerate().rev().filter(|(_, span)| span.covers(time_ms));
        covering.filter_map(|(nth, _)| self.generations.get(nth)).find_map(|one| one.find(hash, tenant, id))
    }

    /// Records an operation made at `time_ms` that is not known yet; none if it is.
    pub(crate) fn record(&mut self, seen: Seen, time_ms: i64) -> Option<()> {
        if self.find(seen.tenant, seen.id, time_ms).is_some() {
            return None;
        }
        if self.generations.back().is_none_or(|last| last.rows.len() >= GENERATION_ROWS) {
            self.generations.push_back(Arc::new(Generation::empty()));
            self.spans.push_back(Span { oldest_ms: time_ms, newest_ms: time_ms });
        }
        let hash = self.hasher.hash_one((seen.tenant, seen.id));
        let last = Arc::make_mut(self.generations.back_mut()?);
        last.push(seen, hash, &self.hasher)?;
        self.spans.back_mut()?.include(time_ms);
        Some(())
    }

    /// Pages of generations that are beyond the `window` as a whole.
    pub(crate) fn surplus_pages(&self, window: usize) -> u32 {
        let surplus = self.len().saturating_sub(window) / GENERATION_ROWS;
        u32::try_from(surplus).unwrap_or(u32::MAX).saturating_mul(GENERATION_PAGES)
    }

    /// Forgets the oldest pages; a generation goes when all of its pages have gone.
    pub(crate) fn forget(&mut self, pages: u32) {
        let before = self.forgotten_pages;
        self.forgotten_pages = before.saturating_add(pages.into());
        for _ in generations(before)..generations(self.forgotten_pages) {
            let (Some(_), Some(span)) = (self.generations.pop_front(), self.spans.pop_front()) else {
                return;
            };
            self.horizon_ms = self.horizon_ms.max(span.newest_ms);
        }
    }
}

/// Generations of which all pages are among so many.
const fn generations(pages: u64) -> u64 {
    match pages.checked_div(GENERATION_PAGES as u64) {
        Some(whole) => whole,
        None => 0,
    }
}

impl Generation {
    fn empty() -> Self {
        Self { rows: Vec::with_capacity(GENERATION_ROWS), index: HashTable::with_capacity(GENERATION_ROWS) }
    }

    fn find(&self, hash: u64, tenant: u32, id: (u64, u64)) -> Option<&Seen> {
        let row = |place: &u16| self.rows.get(usize::from(*place));
        let same = |place: &u16| row(place).is_some_and(|seen| seen.id == id && seen.tenant == tenant);
        self.index.find(hash, same).and_then(row)
    }

    fn push(&mut self, seen: Seen, hash: u64, hasher: &RandomState) -> Option<()> {
        let place = u16::try_from(self.rows.len()).ok()?;
        self.rows.push(seen);
        let rows = &self.rows;
        let rehash = |place: &u16| {
            rows.get(usize::from(*place)).map_or(0, |seen| hasher.hash_one((seen.tenant, seen.id)))
        };
        self.index.insert_unique(hash, place, rehash);
        Some(())
    }
}

impl Span {
    const fn covers(self, time_ms: i64) -> bool {
        self.oldest_ms <= time_ms && time_ms <= self.newest_ms
    }

    fn include(&mut self, time_ms: i64) {
        self.oldest_ms = self.oldest_ms.min(time_ms);
        self.newest_ms = self.newest_ms.max(time_ms);
    }
}
