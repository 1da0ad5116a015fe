//! The accounts of a partition: 80 bytes a row and about ten in the index.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use ids::{AccountId, UserId};
use uuid::Uuid;

use super::Paged;
use crate::{AccountKind, AccountStatus};

/// No lot, no account.
pub(crate) const NONE: u32 = u32::MAX;

/// One account. Ids are halves of a UUID, so that rows need no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: (u64, u64),
    /// Both halves zero for none.
    pub(crate) owner: (u64, u64),
    /// Sum of all entries.
    pub(crate) balance: i64,
    /// Part of the balance that is set aside.
    pub(crate) held: i64,
    /// How far below zero it may go.
    pub(crate) overdraft: i64,
    pub(crate) tenant: u32,
    /// The lot that is spent first, [`NONE`] for none.
    pub(crate) first_lot: u32,
    pub(crate) asset: u16,
    pub(crate) kind: AccountKind,
    pub(crate) status: AccountStatus,
    /// Whether alerts are set.
    pub(crate) watched: bool,
}

/// All accounts of a partition by number, found by tenant and id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    rows: Paged<Account>,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Account {
    pub(crate) fn id(&self) -> AccountId {
        AccountId::from_uuid(Uuid::from_u64_pair(self.id.0, self.id.1))
    }

    pub(crate) fn owner(&self) -> Option<UserId> {
        let (high, low) = self.owner;
        ((high, low) != (0, 0)).then(|| UserId::from_uuid(Uuid::from_u64_pair(high, low)))
    }

    /// What it can give: what is posted and not held, and what it may owe.
    pub(crate) const fn available(&self) -> i64 {
        self.balance.saturating_sub(self.held).saturating_add(self.overdraft)
    }

    /// Whether it has not given more than it may.
    pub(crate) const fn is_covered(&self) -> bool {
        self.available() >= 0 || self.kind.may_go_below_zero()
    }
}

impl Accounts {
    /// No accounts, with an index that so many fit into.
    pub(crate) fn with_room_for(count: usize) -> Self {
        Self { index: HashTable::with_capacity(count), ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Account> {
        self.rows.get(number as usize)
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Account> {
        self.rows.get_mut(number as usize)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        self.rows.iter()
    }

    pub(crate) fn find(&self, tenant: u32, account: AccountId) -> Option<u32> {
        let id = account.as_uuid().as_u64_pair();
        let same = |number: &u32| self.get(*number).is_some_and(|row| row.id == id && row.tenant == tenant);
        self.index.find(self.hasher.hash_one((tenant, id)), same).copied()
    }

    /// Adds a row that is not there yet; none if the partition has no number left.
    pub(crate) fn push(&mut self, row: Account) -> Option<()> {
        let number = u32::try_from(self.rows.len()).ok().filter(|number| *number < NONE)?;
        let hash = self.hasher.hash_one((row.tenant, row.id));
        self.rows.push(row);
        let (rows, hasher) = (&self.rows, &self.hasher);
        let rehash =
            |number: &u32| rows.get(*number as usize).map_or(0, |row| hasher.hash_one((row.tenant, row.id)));
        self.index.insert_unique(hash, number, rehash);
        Some(())
    }
}
