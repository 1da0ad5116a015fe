//! An operation in the making: what it would change, beside a state that stays as it is.
//!
//! Rules work on a plan as on the state itself; accounts and lots they touch are copied into it, so
//! that a later leg sees what an earlier one did, and a refusal leaves nothing to undo. What the plan
//! has collected in the end are the facts.

mod limits;
mod lots;
mod units;

use ids::{AccountId, OperationId};
use smallvec::SmallVec;

use crate::effect::{Change, Effect, HoldReduced};
use crate::state::{Account, Books, Hold, NONE, PartitionState, Watch};
use crate::{AccountKind, AccountStatus, Asset, Kind, Posting, Rejection};
pub(crate) use units::{Credit, Debit, LotId, Taken};

/// What an operation comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// What kind of operation.
    pub kind: Kind,
    /// Number of the tenant in the partition.
    pub tenant: u32,
    /// The tenant's time; never before that of the operation before.
    pub at_ms: i64,
    /// Digest of the command's body.
    pub body: u64,
    /// What moved, with the balances afterwards.
    pub postings: SmallVec<[Posting; 1]>,
    /// What else became of it.
    pub effects: Vec<Effect>,
}

/// An operation in the making.
pub(crate) struct Plan<'a> {
    pub(crate) state: &'a PartitionState,
    pub(crate) operation: OperationId,
    facts: Facts,
    touched: SmallVec<[Touched; 2]>,
    numbers: lots::Numbers,
    /// Thresholds that the operation itself has changed, with their account.
    watch: Option<(u32, Watch)>,
}

/// An account as the plan has it.
struct Touched {
    number: u32,
    row: Account,
    /// Its lots in the order in which they are spent.
    lots: Vec<lots::Planned>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(
        state: &'a PartitionState,
        operation: OperationId,
        kind: Kind,
        (tenant, at_ms, body): (u32, i64, u64),
    ) -> Self {
        let facts = Facts { kind, tenant, at_ms, body, postings: SmallVec::new(), effects: Vec::new() };
        Self {
            state,
            operation,
            facts,
            touched: SmallVec::new(),
            numbers: lots::Numbers::default(),
            watch: None,
        }
    }

    /// What the operation comes to.
    pub(crate) fn facts(self) -> Facts {
        self.facts
    }

    pub(crate) fn at_ms(&self) -> i64 {
        self.facts.at_ms
    }

    pub(crate) fn tenant(&self) -> u32 {
        self.facts.tenant
    }

    pub(crate) fn note(&mut self, change: Change) {
        self.facts.effects.push(change.into());
    }

    pub(crate) fn books(&self) -> Option<&'a Books> {
        self.state.books(self.facts.tenant)
    }

    /// The number of an account.
    pub(crate) fn find(&self, account: AccountId) -> Result<u32, Rejection> {
        self.state.accounts.find(self.facts.tenant, account).ok_or(Rejection::AccountUnknown { account })
    }

    /// An account as the plan has it; the place is good until the plan ends.
    pub(crate) fn touch(&mut self, number: u32) -> Result<usize, Rejection> {
        if let Some(place) = self.touched.iter().position(|touched| touched.number == number) {
            return Ok(place);
        }
        let row = *self.state.accounts.get(number).ok_or(Rejection::PartitionFull)?;
        let lots = match row.first_lot {
            NONE => Vec::new(),
            first => self.state.lots.from(first).map(lots::Planned::known).collect(),
        };
        self.touched.push(Touched { number, row, lots });
        Ok(self.touched.len().saturating_sub(1))
    }

    #[allow(clippy::indexing_slicing, reason = "places come from `touch` and stay good")]
    pub(crate) fn row(&mut self, place: usize) -> &mut Account {
        &mut self.touched[place].row
    }

    #[allow(clippy::indexing_slicing, reason = "places come from `touch` and stay good")]
    fn at(&mut self, place: usize) -> &mut Touched {
        &mut self.touched[place]
    }

    /// What an account counts.
    pub(crate) fn asset(&self, row: &Account) -> Asset {
        self.state.asset_of(row)
    }

    /// A customer account.
    pub(crate) fn customer(&mut self, account: AccountId) -> Result<usize, Rejection> {
        let number = self.find(account)?;
        let place = self.touch(number)?;
        if self.row(place).kind == AccountKind::Customer {
            Ok(place)
        } else {
            Err(Rejection::NotACustomer { account })
        }
    }

    /// A hold that has not ended.
    pub(crate) fn hold(&self, hold: OperationId) -> Result<(u32, &'a Hold), Rejection> {
        let known = self.state.holds.find(self.facts.tenant, hold);
        known.ok_or_else(|| match self.state.operations.find(self.facts.tenant, hold) {
            Some(_) => Rejection::HoldEnded { hold },
            None => Rejection::HoldUnknown { hold },
        })
    }

    /// Makes a hold smaller.
    pub(crate) fn reduce_hold(
        &mut self,
        (number, hold): (u32, &Hold),
        captured: i64,
        released: i64,
    ) -> Result<(), Rejection> {
        let units = captured.saturating_add(released);
        let place = self.touch(hold.account)?;
        let row = self.row(place);
        row.held = row.held.saturating_sub(units);
        let held_after = row.held;
        self.note(Change::HoldReduced(HoldReduced {
            hold: number,
            id_high: hold.id.0,
            id_low: hold.id.1,
            captured,
            released,
            left: hold.left.saturating_sub(units),
            account: hold.account,
            held_after,
            ended: hold.left == units,
        }));
        Ok(())
    }
}

/// Whether an account gives at all.
pub(crate) fn may_give(row: &Account) -> Result<(), Rejection> {
    let account = row.id();
    match row.status {
        AccountStatus::Open => Ok(()),
        AccountStatus::DebitsFrozen | AccountStatus::Frozen => Err(Rejection::AccountFrozen { account }),
        AccountStatus::Closed => Err(Rejection::AccountClosed { account }),
    }
}

/// Whether an account takes at all.
pub(crate) fn may_take(row: &Account) -> Result<(), Rejection> {
    let account = row.id();
    match row.status {
        AccountStatus::Open | AccountStatus::DebitsFrozen => Ok(()),
        AccountStatus::Frozen => Err(Rejection::AccountFrozen { account }),
        AccountStatus::Closed => Err(Rejection::AccountClosed { account }),
    }
}
