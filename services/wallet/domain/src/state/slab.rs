//! Rows that come and go, under numbers that are used anew. Which number is next follows from the
//! rows alone, so replay gives the same numbers as the writer did.

use std::collections::HashSet;

use super::Paged;

/// Numbered rows with holes.
#[derive(Debug, Clone)]
pub(crate) struct Slab<T> {
    rows: Paged<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { rows: Paged::default(), free: Vec::new() }
    }
}

impl<T: Clone> Slab<T> {
    /// Rows that are there.
    pub(crate) fn len(&self) -> usize {
        self.rows.len().saturating_sub(self.free.len())
    }

    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.rows.get(number as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.rows.get_mut(number as usize)?.as_mut()
    }

    /// The number that the row gets which is inserted after `before` others.
    pub(crate) fn number_after(&self, before: usize) -> Option<u32> {
        let reused = self.free.len().checked_sub(before.saturating_add(1));
        if let Some(number) = reused.and_then(|place| self.free.get(place)) {
            return Some(*number);
        }
        let fresh = before.saturating_sub(self.free.len());
        u32::try_from(self.rows.len().saturating_add(fresh)).ok().filter(|number| *number < u32::MAX)
    }

    /// Adds a row under the next number; none if that is not `number`.
    pub(crate) fn insert(&mut self, number: u32, row: T) -> Option<()> {
        (self.number_after(0)? == number).then_some(())?;
        match self.free.pop() {
            Some(_) => *self.rows.get_mut(number as usize)? = Some(row),
            None => self.rows.push(Some(row)),
        }
        Some(())
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let row = self.rows.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(row)
    }

    /// Every row, present or not.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Option<&T>> {
        self.rows.iter().map(Option::as_ref)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.rows.iter()).filter_map(|(number, row)| row.as_ref().map(|row| (number, row)))
    }

    /// Numbers to be used anew, the next one last.
    pub(crate) fn free(&self) -> &[u32] {
        &self.free
    }

    /// A slab with these slots; none if one of them could not be read, or if `free` does not name exactly
    /// the holes.
    pub(crate) fn restore(slots: impl Iterator<Item = Option<Option<T>>>, free: Vec<u32>) -> Option<Self> {
        let mut rows = Paged::default();
        for row in slots {
            rows.push(row?);
        }
        let holes = rows.iter().filter(|row| row.is_none()).count();
        let named = free.iter().all(|number| rows.get(*number as usize).is_some_and(Option::is_none));
        let distinct = free.iter().collect::<HashSet<_>>().len() == free.len();
        (holes == free.len() && named && distinct).then_some(Self { rows, free })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_anew_and_can_be_foretold() {
        let mut slab = Slab::default();
        (0..3).for_each(|number| slab.insert(number, number).unwrap());
        assert_eq!((slab.remove(0), slab.remove(1)), (Some(0), Some(1)));
        assert_eq!(
            [0, 1, 2, 3].map(|before| slab.number_after(before)),
            [Some(1), Some(0), Some(3), Some(4)]
        );
        assert_eq!(slab.insert(0, 9), None, "the next number is 1");
        slab.insert(1, 7).unwrap();
        assert_eq!((slab.len(), slab.get(1), slab.get(0)), (2, Some(&7), None));
    }

    #[test]
    fn a_restored_slab_goes_on_alike() {
        let mut slab = Slab::default();
        (0..4).for_each(|number| slab.insert(number, number).unwrap());
        slab.remove(2).unwrap();
        slab.remove(0).unwrap();
        let slots: Vec<_> = slab.slots().map(Option::<&u32>::copied).collect();
        let restored = Slab::restore(slots.into_iter().map(Some), slab.free().to_vec()).unwrap();
        assert_eq!(restored.number_after(0), slab.number_after(0));
        assert!(Slab::restore([Some(Some(1)), Some(None)].into_iter(), vec![0]).is_none());
        assert!(Slab::<u8>::restore([None].into_iter(), vec![]).is_none());
    }
}
