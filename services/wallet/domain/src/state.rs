//! Everything a partition must remember to decide: accounts, balances, recent operation ids.
//!
//! [`PartitionState::apply`] is the one way in which facts enter, live and in replay. It checks
//! every fact against the state (numbers known, recorded balances equal to the computed ones), so a
//! journal that does not belong to the state is noticed at the first batch. A clone is cheap: rows
//! lie in shared pages and are copied when one side writes.

mod accounts;
mod names;
mod operations;
mod paged;

use ids::{AccountId, OperationId, TenantId, UserId};

pub(crate) use accounts::{Account, Accounts};
pub(crate) use names::Names;
pub(crate) use operations::{Operations, Seen};
pub(crate) use paged::{PAGE_ROWS, Paged};

use crate::{AccountKind, AccountTerms, Asset, Batch, Opening, Operation, Posting, customer_account};

/// The state of one partition after some batch.
#[derive(Debug, Clone, Default)]
pub struct PartitionState {
    pub(crate) sequence: u64,
    pub(crate) tenants: Names<TenantId>,
    pub(crate) assets: Names<Asset>,
    pub(crate) accounts: Accounts,
    pub(crate) operations: Operations,
}

/// An account and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountView {
    /// Its number in the partition.
    pub number: u32,
    /// Whose ledger.
    pub tenant: TenantId,
    /// What was agreed.
    pub terms: AccountTerms,
    /// Sum of all entries.
    pub balance: i64,
}

/// Facts that do not follow from the state: the journal is damaged or belongs to another state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Batches are applied one after another.
    #[error("batch {found} cannot follow batch {last}")]
    OutOfSequence {
        /// The last batch applied.
        last: u64,
        /// The batch offered.
        found: u64,
    },
    /// An opening with an unknown kind or asset, or of an account that is open.
    #[error("batch {sequence}: impossible opening of account {account}")]
    Opening {
        /// The batch.
        sequence: u64,
        /// The account.
        account: AccountId,
    },
    /// A posting between unknown accounts, or whose balances differ from the computed ones.
    #[error("batch {sequence}: impossible posting {posting:?}")]
    Posting {
        /// The batch.
        sequence: u64,
        /// The posting.
        posting: Posting,
    },
    /// An operation without postings, or one that was recorded before.
    #[error("batch {sequence}: impossible operation {operation}")]
    Operation {
        /// The batch.
        sequence: u64,
        /// The operation.
        operation: OperationId,
    },
}

impl PartitionState {
    /// Number of the last batch applied, 0 for none.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many accounts are open.
    #[must_use]
    pub fn account_count(&self) -> usize {
        self.accounts.len()
    }

    /// How many operation ids are remembered.
    #[must_use]
    pub fn operation_count(&self) -> usize {
        self.operations.len()
    }

    /// An account of this tenant.
    #[must_use]
    pub fn account(&self, tenant: TenantId, account: AccountId) -> Option<AccountView> {
        let number = self.accounts.find(self.tenants.find(&tenant)?, account)?;
        self.account_numbered(number)
    }

    /// The account with this number.
    #[must_use]
    pub fn account_numbered(&self, number: u32) -> Option<AccountView> {
        let row = self.accounts.get(number)?;
        let terms = AccountTerms {
            account: AccountId::from_uuid(uuid::Uuid::from_u64_pair(row.id.0, row.id.1)),
            kind: row.kind,
            asset: *self.assets.get(u32::from(row.asset))?,
            owner: row.owner(),
        };
        Some(AccountView { number, tenant: *self.tenants.get(row.tenant)?, terms, balance: row.balance })
    }

    /// All accounts, in the order in which they were opened.
    pub fn accounts(&self) -> impl Iterator<Item = AccountView> {
        (0..).map_while(|number| self.account_numbered(number))
    }

    /// A user's own accounts, one per asset.
    pub fn accounts_of(&self, tenant: TenantId, user: UserId) -> impl Iterator<Item = AccountView> {
        self.assets
            .iter()
            .filter_map(move |asset| self.account(tenant, customer_account(tenant, user, *asset)))
    }

    /// The batch in which an operation was posted, if it was and is remembered.
    #[must_use]
    pub fn operation(&self, tenant: TenantId, operation: OperationId) -> Option<u64> {
        let tenant = self.tenants.find(&tenant)?;
        self.operations.find(tenant, operation).map(|seen| seen.sequence)
    }

    /// How many pages of operation ids are beyond the `window` that shall be remembered.
    #[must_use]
    pub fn surplus_pages(&self, window: usize) -> u32 {
        self.operations.surplus_pages(window)
    }

    /// Takes the facts of a batch.
    ///
    /// # Errors
    /// [`Broken`]; the state is of no use afterwards.
    pub fn apply(&mut self, sequence: u64, batch: &Batch) -> Result<(), Broken> {
        self.begin(sequence, batch.forget_pages)?;
        for opening in &batch.openings {
            self.apply_opening(opening, batch.word(opening.asset))?;
        }
        for (operation, postings) in batch.posted() {
            self.apply_operation(batch.at_ms, operation, postings)?;
        }
        Ok(())
    }

    /// Begins the next batch.
    pub(crate) fn begin(&mut self, sequence: u64, forget_pages: u32) -> Result<(), Broken> {
        if self.sequence.checked_add(1) != Some(sequence) {
            return Err(Broken::OutOfSequence { last: self.sequence, found: sequence });
        }
        self.sequence = sequence;
        self.operations.forget(forget_pages);
        Ok(())
    }

    pub(crate) fn apply_opening(&mut self, opening: &Opening, asset: Option<&str>) -> Result<(), Broken> {
        let account = AccountId::from_uuid(opening.account());
        self.try_open(opening, account, asset).ok_or(Broken::Opening { sequence: self.sequence, account })
    }

    fn try_open(&mut self, opening: &Opening, account: AccountId, asset: Option<&str>) -> Option<()> {
        let kind = i32::try_from(opening.kind).ok().and_then(|number| AccountKind::try_from(number).ok())?;
        let tenant = self.tenants.number(TenantId::from_uuid(opening.tenant()))?;
        let asset = self.assets.number(asset?.parse().ok()?)?;
        let row = Account {
            id: (opening.account_high, opening.account_low),
            owner: (opening.owner_high, opening.owner_low),
            balance: 0,
            tenant,
            asset: u16::try_from(asset).ok()?,
            kind,
        };
        self.accounts.find(tenant, account).is_none().then_some(())?;
        self.accounts.push(row)
    }

    pub(crate) fn apply_operation(
        &mut self,
        batch_at_ms: i64,
        operation: &Operation,
        postings: &[Posting],
    ) -> Result<(), Broken> {
        let mut tenant = None;
        for posting in postings {
            let moved = self.accounts.move_units(posting);
            tenant = Some(moved.ok_or(Broken::Posting { sequence: self.sequence, posting: *posting })?);
        }
        let recorded = tenant.and_then(|tenant| {
            let id = (operation.id_high, operation.id_low);
            let seen = Seen { id, body: operation.body, sequence: self.sequence, tenant };
            self.operations.record(seen, batch_at_ms)
        });
        let broken = || OperationId::from_uuid(operation.id());
        recorded.ok_or_else(|| Broken::Operation { sequence: self.sequence, operation: broken() })
    }
}
