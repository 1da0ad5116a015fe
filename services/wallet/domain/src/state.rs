//! Everything a partition must remember to decide: accounts, lots, holds, limits, operation ids.
//!
//! [`PartitionState::apply`] is the one way in which facts enter, live and in replay. It checks
//! every fact against the state (numbers known, recorded balances equal to the computed ones), so a
//! journal that does not belong to the state is noticed at the first batch. A clone is cheap: rows
//! lie in shared pages and are copied when one side writes.

mod accounts;
mod apply;
mod books;
mod counters;
mod holds;
mod lots;
mod names;
mod operations;
mod paged;
mod slab;
mod views;

use ids::{AccountId, OperationId, TenantId};

pub(crate) use accounts::{Account, Accounts, NONE};
pub(crate) use books::Books;
pub(crate) use counters::{Acquaintance, Counters, REVERSIBLE_MS, Undone, Usage, Watch, Window};
pub(crate) use holds::{Hold, Holds, portions};
pub(crate) use lots::{Lot, Lots};
pub(crate) use names::Names;
pub(crate) use operations::{Novelty, Operations, Recent, Seen, Timeless, own_time_ms};
pub(crate) use paged::{PAGE_ROWS, Paged};
pub(crate) use slab::Slab;
pub use views::{AccountView, HoldView, LotView, TrialLine, UsageView};

use crate::{AccountKind, AccountStatus, Asset, Batch, Opening, Posting};

/// How often what is no longer needed is looked for.
const DAY_MS: i64 = 24 * 3_600 * 1_000;

/// The state of one partition after some batch.
#[derive(Debug, Clone, Default)]
pub struct PartitionState {
    pub(crate) sequence: u64,
    /// Time of the last batch: it never runs backwards.
    pub(crate) at_ms: i64,
    pub(crate) tenants: Names<TenantId>,
    pub(crate) assets: Names<Asset>,
    /// By number of the tenant.
    pub(crate) books: Vec<Books>,
    pub(crate) accounts: Accounts,
    pub(crate) lots: Lots,
    pub(crate) holds: Holds,
    pub(crate) counters: Counters,
    pub(crate) operations: Operations,
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
    /// An operation that was recorded before, or whose effects cannot follow from the state.
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

    /// How many lots have units left.
    #[must_use]
    pub fn lot_count(&self) -> usize {
        self.lots.rows.len()
    }

    /// How many operation ids are remembered.
    #[must_use]
    pub fn operation_count(&self) -> usize {
        self.operations.len()
    }

    /// The batch in which an operation was recorded, if it was and is remembered.
    #[must_use]
    pub fn operation(&self, tenant: TenantId, operation: OperationId) -> Option<u64> {
        let tenant = self.tenants.find(&tenant)?;
        self.operations.find(tenant, operation).map(|seen| seen.sequence)
    }

    /// Pages of operation ids, with and without a time, beyond the `window` to be remembered.
    #[must_use]
    pub fn surplus_pages(&self, window: usize) -> (u32, u32) {
        self.operations.surplus_pages(window)
    }

    /// Takes the facts of a batch.
    ///
    /// # Errors
    /// [`Broken`]; the state is of no use afterwards.
    pub fn apply(&mut self, sequence: u64, batch: &Batch) -> Result<(), Broken> {
        self.begin(sequence, batch.at_ms, (batch.forget_pages, batch.forget_timeless_pages))?;
        for opening in &batch.openings {
            self.apply_opening(opening, batch.word(opening.asset))?;
        }
        for recorded in batch.recorded() {
            self.apply_operation(batch.at_ms, recorded)?;
        }
        Ok(())
    }

    /// Begins the next batch.
    pub(crate) fn begin(&mut self, sequence: u64, at_ms: i64, forget: (u32, u32)) -> Result<(), Broken> {
        if self.sequence.checked_add(1) != Some(sequence) {
            return Err(Broken::OutOfSequence { last: self.sequence, found: sequence });
        }
        let day_before = self.at_ms.div_euclid(DAY_MS);
        (self.sequence, self.at_ms) = (sequence, self.at_ms.max(at_ms));
        self.operations.forget(forget);
        if self.at_ms.div_euclid(DAY_MS) != day_before {
            self.counters.forget_undone(&self.books);
        }
        Ok(())
    }

    pub(crate) fn apply_opening(&mut self, opening: &Opening, asset: Option<&str>) -> Result<(), Broken> {
        let account = AccountId::from_uuid(opening.account());
        self.try_open(opening, account, asset).ok_or(Broken::Opening { sequence: self.sequence, account })
    }

    fn try_open(&mut self, opening: &Opening, account: AccountId, asset: Option<&str>) -> Option<()> {
        let kind = i32::try_from(opening.kind).ok().and_then(|number| AccountKind::try_from(number).ok())?;
        let tenant = self.tenants.number(TenantId::from_uuid(opening.tenant()))?;
        self.books.resize_with(self.tenants.len(), Books::default);
        let asset = self.assets.number(asset?.parse().ok()?)?;
        let row = Account {
            id: (opening.account_high, opening.account_low),
            owner: (opening.owner_high, opening.owner_low),
            balance: 0,
            held: 0,
            overdraft: 0,
            tenant,
            first_lot: NONE,
            asset: u16::try_from(asset).ok()?,
            kind,
            status: AccountStatus::Open,
            watched: false,
        };
        self.accounts.find(tenant, account).is_none().then_some(())?;
        self.accounts.push(row)
    }

    /// What the account counts.
    pub(crate) fn asset_of(&self, row: &Account) -> Asset {
        self.assets.get(u32::from(row.asset)).copied().unwrap_or(Asset::TOKEN)
    }

    /// The tenant's settings.
    pub(crate) fn books(&self, tenant: u32) -> Option<&Books> {
        self.books.get(tenant as usize)
    }
}
