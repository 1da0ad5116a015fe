//! The accounts of a partition: 48 bytes a row and about ten in the index.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use ids::{AccountId, UserId};
use uuid::Uuid;

use super::Paged;
use crate::{AccountKind, Posting};

/// One account. Ids are halves of a UUID, so that rows need no padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) id: (u64, u64),
    /// Both halves zero for none.
    pub(crate) owner: (u64, u64),
    pub(crate) balance: i64,
    pub(crate) tenant: u32,
    pub(crate) asset: u16,
    pub(crate) kind: AccountKind,
}

/// All accounts of a partition by number, found by tenant and id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accounts {
    rows: Paged<Account>,
    index: HashTable<u32>,
    hasher: RandomState,
}

impl Account {
    pub(crate) fn owner(&self) -> Option<UserId> {
        let (high, low) = self.owner;
        ((high, low) != (0, 0)).then(|| UserId::from_uuid(Uuid::from_u64_pair(high, low)))
    }
}

impl Accounts {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn get(&self, number: u32) -> Option<&Account> {
        self.rows.get(number as usize)
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
        let number = u32::try_from(self.rows.len()).ok()?;
        let hash = self.hasher.hash_one((row.tenant, row.id));
        self.rows.push(row);
        let (rows, hasher) = (&self.rows, &self.hasher);
        let rehash =
            |number: &u32| rows.get(*number as usize).map_or(0, |row| hasher.hash_one((row.tenant, row.id)));
        self.index.insert_unique(hash, number, rehash);
        Some(())
    }

    /// Moves the units of a posting if the result is what the posting says; answers the tenant.
    pub(crate) fn move_units(&mut self, posting: &Posting) -> Option<u32> {
        let (debit, credit) = (self.get(posting.debit)?, self.get(posting.credit)?);
        let given = debit.balance.checked_sub(posting.amount)?;
        let taken = credit.balance.checked_add(posting.amount)?;
        let same_kind_of_unit = (debit.tenant, debit.asset) == (credit.tenant, credit.asset);
        let as_recorded = (given, taken) == (posting.debit_after, posting.credit_after);
        let allowed = given >= 0 || debit.kind.may_go_below_zero();
        let sound = posting.amount > 0 && posting.debit != posting.credit;
        if !(same_kind_of_unit && as_recorded && allowed && sound) {
            return None;
        }
        let tenant = debit.tenant;
        self.rows.get_mut(posting.debit as usize)?.balance = given;
        self.rows.get_mut(posting.credit as usize)?.balance = taken;
        Some(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_takes_48_bytes() {
        assert_eq!(size_of::<Account>(), 48);
    }
}
