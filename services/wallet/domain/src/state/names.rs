//! Small numbers for things that repeat: tenants and assets of a partition, in order of appearance.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// A two-way table between things and their numbers.
#[derive(Debug, Clone)]
pub(crate) struct Names<T> {
    list: Vec<T>,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { list: Vec::new(), index: HashTable::new(), hasher: RandomState::default() }
    }
}

impl<T: Hash + Eq> Names<T> {
    pub(crate) fn find(&self, thing: &T) -> Option<u32> {
        let same = |number: &u32| self.list.get(*number as usize) == Some(thing);
        self.index.find(self.hasher.hash_one(thing), same).copied()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.list.get(number as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.list.iter()
    }

    /// The number of a thing, a new one if it is not known; none if there are too many.
    pub(crate) fn number(&mut self, thing: T) -> Option<u32> {
        if let Some(number) = self.find(&thing) {
            return Some(number);
        }
        let number = u32::try_from(self.list.len()).ok()?;
        let hash = self.hasher.hash_one(&thing);
        self.list.push(thing);
        let (list, hasher) = (&self.list, &self.hasher);
        self.index.insert_unique(hash, number, |number| hash_of(hasher, list.get(*number as usize)));
        Some(number)
    }
}

fn hash_of<T: Hash>(hasher: &RandomState, thing: Option<&T>) -> u64 {
    thing.map_or(0, |thing| hasher.hash_one(thing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_order_of_appearance() {
        let mut names = Names::default();
        for round in 0..2 {
            for word in 0..100_u32 {
                assert_eq!(names.number(word * 7), Some(word), "round {round}");
            }
        }
        assert_eq!((names.find(&7), names.find(&8), names.len()), (Some(1), None, 100));
    }
}
