//! Which operation ids were used, with which body, in which batch.
//!
//! Ids that say when they were made (UUIDv7 with a time that is not ahead of ours) are kept for a
//! window of recent operations. What leaves the window raises the horizon, and an unknown id from
//! before the horizon is refused instead of being taken for new: bounded memory without a silent
//! double. Ids that say no time (derived from facts, such as the line of an invoice) have a window
//! of their own; once some have left it, an unknown one is taken for new only when the caller has
//! looked for it in the tables, which remember all of them.

mod recent;
mod timeless;

use ids::OperationId;

pub(crate) use recent::Recent;
pub(crate) use timeless::Timeless;

/// How far an id's own time may be ahead of ours and still count as its time.
const AHEAD_MS: i64 = 1_000;

/// A recorded operation.
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
    /// The tables know, when they are complete through this batch.
    LookItUp(u64),
}

/// All remembered operations of a partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Operations {
    pub(crate) recent: Recent,
    pub(crate) timeless: Timeless,
}

impl Operations {
    pub(crate) fn len(&self) -> usize {
        self.recent.len().saturating_add(self.timeless.len())
    }

    /// How many were ever recorded.
    pub(crate) fn ever(&self) -> usize {
        self.recent.ever().saturating_add(self.timeless.rows.next_index())
    }

    pub(crate) fn find(&self, tenant: u32, operation: OperationId) -> Option<&Seen> {
        let id = operation.as_uuid().as_u64_pair();
        let Some(time_ms) = own_time_ms(id) else { return self.timeless.find(tenant, id) };
        if let Some(found) = self.recent.find(tenant, id, time_ms) {
            return Some(found);
        }
        if self.timeless.may_know(time_ms) { self.timeless.find(tenant, id) } else { None }
    }

    /// What an unknown id may be, given that the caller found it unused up to a batch.
    pub(crate) fn novelty(&self, operation: OperationId, unseen_through: u64) -> Novelty {
        match own_time_ms(operation.as_uuid().as_u64_pair()) {
            Some(time) if time <= self.recent.horizon_ms => Novelty::MayBeForgotten,
            Some(time) if time > self.timeless.early_ms => Novelty::New,
            _ if self.timeless.horizon > unseen_through => Novelty::LookItUp(self.timeless.horizon),
            _ => Novelty::New,
        }
    }

    /// Records an operation that is not known yet; none if it is.
    pub(crate) fn record(&mut self, seen: Seen, at_ms: i64) -> Option<()> {
        match own_time_ms(seen.id) {
            Some(time_ms) if time_ms <= at_ms.saturating_add(AHEAD_MS) => self.recent.record(seen, time_ms),
            own_time => self.timeless.record(seen, own_time.unwrap_or_default()),
        }
    }

    /// How many pages of ids with and without a time are beyond the `window` to be remembered.
    pub(crate) fn surplus_pages(&self, window: usize) -> (u32, u32) {
        (self.recent.surplus_pages(window), self.timeless.surplus_pages(window))
    }

    /// Forgets the oldest pages of ids with and without a time.
    pub(crate) fn forget(&mut self, (recent, timeless): (u32, u32)) {
        self.recent.forget(recent);
        self.timeless.forget(timeless);
    }
}

/// When a UUIDv7 says it was made, in milliseconds since 1970.
pub(crate) fn own_time_ms((high, low): (u64, u64)) -> Option<i64> {
    let (version, variant) = (high >> 12 & 0xf, low >> 62);
    (version == 7 && variant == 2).then(|| i64::try_from(high >> 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::recent::GENERATION_ROWS;
    use super::*;
    use crate::state::PAGE_ROWS;

    fn seen(id: OperationId) -> Seen {
        Seen { id: id.as_uuid().as_u64_pair(), body: 1, sequence: 1, tenant: 0 }
    }

    fn timed(ms: u64, number: u64) -> OperationId {
        OperationId::from_uuid(uuid::Uuid::from_u64_pair(ms << 16 | 0x7000, 2 << 62 | number))
    }

    #[test]
    fn a_timed_id_that_was_forgotten_is_not_taken_for_new() {
        let mut operations = Operations::default();
        for number in 0..GENERATION_ROWS as u64 {
            operations.record(seen(timed(5_000, number)), 5_000).unwrap();
        }
        assert_eq!(operations.surplus_pages(1), (0, 0), "a generation goes as a whole");
        operations.record(seen(timed(6_000, 0)), 6_000).unwrap();
        let surplus = operations.surplus_pages(1);
        operations.forget(surplus);
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
        assert_eq!(operations.novelty(derived(3), 6), Novelty::LookItUp(7));
        assert_eq!(operations.novelty(derived(3), 7), Novelty::New, "the caller has looked");
        assert_eq!(
            operations.novelty(timed(9_000_000, 0), 0),
            Novelty::LookItUp(7),
            "it was ahead of its time"
        );
    }

    #[test]
    fn an_id_is_recorded_once_per_tenant() {
        let mut operations = Operations::default();
        let id = OperationId::derived(&["line"]);
        assert_eq!(operations.record(seen(id), 0), Some(()));
        assert_eq!(operations.record(seen(id), 0), None);
        assert_eq!(operations.record(Seen { tenant: 1, ..seen(id) }, 0), Some(()));
    }

    #[test]
    fn late_and_early_ids_are_found_whatever_their_time() {
        let mut operations = Operations::default();
        let times = [50_000, 10, 49_000, 50_500, 9];
        for (time, number) in times.into_iter().zip(0..) {
            operations.record(seen(timed(time, number)), 50_000).unwrap();
        }
        for (time, number) in times.into_iter().zip(0..) {
            assert!(operations.find(0, timed(time, number)).is_some(), "{time}");
            assert_eq!(operations.record(seen(timed(time, number)), 50_000), None);
        }
        assert!(operations.find(0, timed(10, 4)).is_none());
    }
}
