//! Rows in shared pages: growing never moves old rows, cloning copies page pointers, and a page is
//! copied when a row in it is written while another clone still holds it. So a snapshot costs the
//! writer next to nothing at the moment it is taken.

use std::collections::VecDeque;
use std::sync::Arc;

/// Rows of one page: small enough to copy within microseconds.
pub(crate) const PAGE_ROWS: usize = 512;

/// A list that grows at its end and is cut at its beginning, in whole pages.
#[derive(Debug, Clone)]
pub(crate) struct Paged<T> {
    pages: VecDeque<Arc<Vec<T>>>,
    dropped: usize,
    len: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: VecDeque::new(), dropped: 0, len: 0 }
    }
}

impl<T: Clone> Paged<T> {
    /// An empty list whose first `dropped` pages are gone already.
    pub(crate) fn beginning_after(dropped: usize) -> Self {
        Self { dropped, ..Self::default() }
    }

    /// Rows that are held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Pages that were cut from the beginning.
    pub(crate) fn dropped(&self) -> usize {
        self.dropped
    }

    /// Index of the row that the next `push` adds.
    pub(crate) fn next_index(&self) -> usize {
        self.dropped.saturating_mul(PAGE_ROWS).saturating_add(self.len)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        let page = (index / PAGE_ROWS).checked_sub(self.dropped)?;
        self.pages.get(page)?.get(index % PAGE_ROWS)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let page = (index / PAGE_ROWS).checked_sub(self.dropped)?;
        Arc::make_mut(self.pages.get_mut(page)?).get_mut(index % PAGE_ROWS)
    }

    pub(crate) fn push(&mut self, row: T) {
        match self.pages.back_mut() {
            Some(page) if page.len() < PAGE_ROWS => Arc::make_mut(page).push(row),
            _ => self.pages.push_back(Arc::new(full_page_of(row))),
        }
        self.len = self.len.saturating_add(1);
    }

    /// Cuts the oldest page if it is full, and answers it.
    pub(crate) fn pop_page(&mut self) -> Option<Arc<Vec<T>>> {
        self.pages.front().filter(|page| page.len() == PAGE_ROWS)?;
        let page = self.pages.pop_front()?;
        self.dropped = self.dropped.saturating_add(1);
        self.len = self.len.saturating_sub(page.len());
        Some(page)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.iter())
    }
}

fn full_page_of<T>(first: T) -> Vec<T> {
    let mut page = Vec::with_capacity(PAGE_ROWS);
    page.push(first);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_what_the_other_side_changes() {
        let mut list = Paged::default();
        (0..PAGE_ROWS * 2 + 3).for_each(|row| list.push(row));
        let kept = list.clone();
        *list.get_mut(5).unwrap() = 99;
        list.push(7);
        assert_eq!((kept.get(5), list.get(5)), (Some(&5), Some(&99)));
        assert_eq!((kept.len(), list.len()), (PAGE_ROWS * 2 + 3, PAGE_ROWS * 2 + 4));
    }

    #[test]
    fn indexes_stay_when_the_beginning_is_cut() {
        let mut list = Paged::default();
        (0..PAGE_ROWS * 2 + 3).for_each(|row| list.push(row));
        assert_eq!(list.pop_page().unwrap().len(), PAGE_ROWS);
        assert_eq!((list.get(0), list.get(PAGE_ROWS)), (None, Some(&PAGE_ROWS)));
        assert_eq!((list.next_index(), list.len()), (PAGE_ROWS * 2 + 3, PAGE_ROWS + 3));
    }

    #[test]
    fn an_unfinished_page_is_not_cut() {
        let mut list = Paged::default();
        list.push(1);
        assert!(list.pop_page().is_none());
    }
}
