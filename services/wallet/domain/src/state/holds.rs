//! Units that are set aside, until they are captured, released or expire.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use ids::OperationId;

use super::Slab;
use crate::effect::Allocation;

/// One hold. Ended ones are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hold {
    pub(crate) id: (u64, u64),
    pub(crate) tenant: u32,
    /// Whose units are held.
    pub(crate) account: u32,
    /// Who is to take them.
    pub(crate) credit: u32,
    pub(crate) left: i64,
    pub(crate) expires_at_ms: Option<i64>,
    /// Which lots are held, in the order of capture; empty when the account had none.
    pub(crate) allocations: Box<[Allocation]>,
    /// The meter and the most units of use, for reserved use.
    pub(crate) usage: Option<Box<(String, i64)>>,
}

/// All holds of a partition, found by tenant and id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holds {
    pub(crate) rows: Slab<Hold>,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Holds {
    pub(crate) fn find(&self, tenant: u32, hold: OperationId) -> Option<(u32, &Hold)> {
        let id = hold.as_uuid().as_u64_pair();
        let same =
            |number: &u32| self.rows.get(*number).is_some_and(|row| row.id == id && row.tenant == tenant);
        let number = *self.index.find(self.hasher.hash_one((tenant, id)), same)?;
        self.rows.get(number).map(|row| (number, row))
    }

    pub(crate) fn insert(&mut self, number: u32, hold: Hold) -> Option<()> {
        let hash = self.hasher.hash_one((hold.tenant, hold.id));
        self.rows.insert(number, hold)?;
        let (rows, hasher) = (&self.rows, &self.hasher);
        let rehash = |number: &u32| rows.get(*number).map_or(0, |row| hasher.hash_one((row.tenant, row.id)));
        self.index.insert_unique(hash, number, rehash);
        Some(())
    }

    /// Makes a hold smaller: captures from its front, releases from its back. Answers it when it has
    /// `ended` and is gone.
    pub(crate) fn reduce(
        &mut self,
        number: u32,
        (captured, released): (i64, i64),
        ended: bool,
    ) -> Option<Option<Hold>> {
        let row = self.rows.get_mut(number)?;
        row.left = row.left.checked_sub(captured.checked_add(released)?).filter(|left| *left >= 0)?;
        if !row.allocations.is_empty() {
            row.allocations = reduced(&row.allocations, captured, released);
        }
        if !ended {
            return Some(None);
        }
        (row.left == 0).then_some(())?;
        let hash = self.hasher.hash_one((row.tenant, row.id));
        self.index.find_entry(hash, |other| *other == number).ok()?.remove();
        self.rows.remove(number).map(Some)
    }

    /// A table with these rows.
    pub(crate) fn restore(rows: Slab<Hold>) -> Self {
        let mut holds = Self { rows, index: HashTable::new(), hasher: RandomState::default() };
        let (rows, hasher) = (&holds.rows, &holds.hasher);
        let hash = |number: &u32| rows.get(*number).map_or(0, |row| hasher.hash_one((row.tenant, row.id)));
        for (number, _) in rows.iter() {
            holds.index.insert_unique(hash(&number), number, hash);
        }
        holds
    }
}

/// What is left of allocations when so many units were taken from the front and from the back.
fn reduced(allocations: &[Allocation], front: i64, back: i64) -> Box<[Allocation]> {
    let mut left: Vec<_> = portions(allocations.iter().copied(), front).1;
    left.reverse();
    let mut left = portions(left.into_iter(), back).1;
    left.reverse();
    left.into()
}

/// Splits allocations after so many units.
pub(crate) fn portions(
    allocations: impl Iterator<Item = Allocation>,
    mut amount: i64,
) -> (Vec<Allocation>, Vec<Allocation>) {
    let (mut taken, mut rest) = (Vec::new(), Vec::new());
    for Allocation { lot, amount: units } in allocations {
        let part = units.min(amount);
        amount = amount.saturating_sub(part);
        let piece = |amount| Allocation { lot, amount };
        taken.extend((part > 0).then(|| piece(part)));
        rest.extend((units > part).then(|| piece(units.saturating_sub(part))));
    }
    (taken, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_take_from_the_front_and_releases_from_the_back() {
        let piece = |(lot, amount)| Allocation { lot, amount };
        let all = [(1, 5), (0, 5), (2, 5)].map(piece);
        assert_eq!(*reduced(&all, 7, 4), [(0, 3), (2, 1)].map(piece));
        assert_eq!(*reduced(&all, 15, 0), []);
    }
}
