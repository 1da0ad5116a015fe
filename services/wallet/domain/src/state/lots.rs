//! Lots of units with terms of their own, linked per account in the order in which they are spent.

use super::accounts::{Accounts, NONE};
use super::{Names, Slab};
use crate::LotTerms;

/// One lot. Empty ones are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lot {
    pub(crate) id: (u64, u64),
    /// Units it began with; others on the same terms may have joined since.
    pub(crate) granted: i64,
    /// Units that can be spent.
    pub(crate) free: i64,
    /// Units that are set aside.
    pub(crate) held: i64,
    /// `i64::MAX` for never.
    pub(crate) expires_at_ms: i64,
    pub(crate) series: u64,
    pub(crate) account: u32,
    /// The lot that is spent after it, [`NONE`] for none.
    pub(crate) next: u32,
    /// Number of the source's word.
    pub(crate) source: u32,
    pub(crate) priority: u8,
}

/// All lots of a partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lots {
    pub(crate) rows: Slab<Lot>,
    pub(crate) sources: Names<Box<str>>,
}

impl Lot {
    pub(crate) const fn rank(&self) -> (u8, i64) {
        (self.priority, self.expires_at_ms)
    }

    /// Whether units on these terms may join it: nobody could tell them apart afterwards.
    pub(crate) fn is_on(&self, terms: &LotTerms, source: &str) -> bool {
        (self.priority, self.expires(), self.series, source)
            == (terms.priority, terms.expires_at_ms, terms.series, &*terms.source)
    }

    pub(crate) const fn left(&self) -> i64 {
        self.free.saturating_add(self.held)
    }

    pub(crate) fn expires(&self) -> Option<i64> {
        (self.expires_at_ms != i64::MAX).then_some(self.expires_at_ms)
    }
}

impl Lots {
    /// The lots of an account in the order in which they are spent.
    pub(crate) fn from(&self, first: u32) -> impl Iterator<Item = (u32, &Lot)> {
        let at = |number: u32| self.rows.get(number).map(|lot| (number, lot));
        std::iter::successors(at(first), move |(_, lot)| at(lot.next))
    }

    pub(crate) fn terms(&self, lot: &Lot) -> LotTerms {
        LotTerms {
            source: self.sources.get(lot.source).map_or("", |source| source).into(),
            priority: lot.priority,
            expires_at_ms: lot.expires(),
            series: lot.series,
        }
    }

    /// A lot of an account with these terms, not yet linked.
    pub(crate) fn describe(
        &mut self,
        account: u32,
        id: (u64, u64),
        amount: i64,
        terms: &LotTerms,
    ) -> Option<Lot> {
        Some(Lot {
            id,
            granted: amount,
            free: amount,
            held: 0,
            expires_at_ms: terms.expires_at_ms.unwrap_or(i64::MAX),
            series: terms.series,
            account,
            next: NONE,
            source: self.sources.number(Box::from(&*terms.source))?,
            priority: terms.priority,
        })
    }

    /// Links a lot behind all that are spent before it; none if `number` is not the next one.
    pub(crate) fn open(&mut self, accounts: &mut Accounts, number: u32, mut lot: Lot) -> Option<()> {
        let account = accounts.get_mut(lot.account)?;
        let before = self.from(account.first_lot).take_while(|(_, other)| other.rank() <= lot.rank()).last();
        match before.map(|(number, _)| number) {
            None => lot.next = std::mem::replace(&mut account.first_lot, number),
            Some(before) => lot.next = std::mem::replace(&mut self.rows.get_mut(before)?.next, number),
        }
        self.rows.insert(number, lot)
    }

    /// Sets what is left of a lot; an empty one is unlinked and gone.
    pub(crate) fn set(&mut self, accounts: &mut Accounts, number: u32, free: i64, held: i64) -> Option<()> {
        let lot = self.rows.get_mut(number)?;
        (lot.free, lot.held) = (free, held);
        if free == 0 && held == 0 { self.unlink(accounts, number) } else { Some(()) }
    }

    fn unlink(&mut self, accounts: &mut Accounts, number: u32) -> Option<()> {
        let lot = self.rows.remove(number)?;
        let account = accounts.get_mut(lot.account)?;
        if account.first_lot == number {
            account.first_lot = lot.next;
            return Some(());
        }
        let mut before = account.first_lot;
        while before != NONE {
            let other = self.rows.get_mut(before)?;
            if other.next == number {
                other.next = lot.next;
                return Some(());
            }
            before = other.next;
        }
        None
    }
}
