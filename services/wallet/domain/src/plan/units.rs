//! Moving units between accounts within a plan.

use smallvec::SmallVec;

use super::{Plan, may_give, may_take};
use crate::effect::Allocation;
use crate::{AccountKind, Leg, LotTerms, Posting, Rejection};

/// Units that left an account, by the terms they were on; what is not in lots was outside of them.
pub(crate) type Taken = SmallVec<[(LotTerms, i64); 0]>;

/// Halves of a lot's id.
pub(crate) type LotId = (u64, u64);

/// What the taking account makes of its units.
pub(crate) enum Credit<'t> {
    /// Units keep their terms between customers; elsewhere terms end.
    AsTaken,
    /// A lot of its own on these terms, together with so many units that the account had before.
    Lot(&'t LotTerms, i64),
    /// Lots that were taken before come back, the rest outside of lots.
    Restored(&'t [(LotTerms, i64)]),
}

/// Where the units come from within the giving account.
pub(crate) enum Debit<'t> {
    /// In the order in which lots are spent.
    InOrder,
    /// What is left of these lots first, at most so much of each, then in order: units that an
    /// operation brought go back with it.
    LotsFirst(&'t [(LotId, i64)]),
    /// Exactly these held units.
    Held(&'t [Allocation]),
    /// Exactly this lot's free units, whatever the account's status.
    Expired(u32),
}

impl Plan<'_> {
    /// Moves the units of a leg in the ordinary way.
    pub(crate) fn transfer(&mut self, index: usize, leg: &Leg) -> Result<(), Rejection> {
        if leg.amount <= 0 {
            return Err(Rejection::AmountNotPositive { index, amount: leg.amount });
        }
        if leg.debit == leg.credit {
            return Err(Rejection::SameAccount { index, account: leg.debit });
        }
        let (debit, credit) = (self.find(leg.debit)?, self.find(leg.credit)?);
        self.same_asset(index, debit, credit)?;
        self.shift(debit, credit, leg.amount, &Debit::InOrder, &Credit::AsTaken).map(drop)
    }

    pub(crate) fn same_asset(&self, index: usize, debit: u32, credit: u32) -> Result<(), Rejection> {
        let (giving, taking) = (self.state.accounts.get(debit), self.state.accounts.get(credit));
        match (giving, taking) {
            (Some(giving), Some(taking)) if giving.asset != taking.asset => {
                Err(Rejection::AssetMismatch { index, debit: self.asset(giving), credit: self.asset(taking) })
            }
            _ => Ok(()),
        }
    }

    /// Moves units between two accounts of one asset, and notes the posting.
    pub(crate) fn shift(
        &mut self,
        debit: u32,
        credit: u32,
        amount: i64,
        from: &Debit<'_>,
        into: &Credit<'_>,
    ) -> Result<Taken, Rejection> {
        let (giving, taking) = (self.touch(debit)?, self.touch(credit)?);
        if !matches!(from, Debit::Expired(_)) {
            may_give(self.row(giving))?;
            may_take(self.row(taking))?;
        }
        let taken = self.take(giving, amount, from)?;
        self.give(taking, amount, into, &taken)?;
        let (debit_after, credit_after) = (self.row(giving).balance, self.row(taking).balance);
        self.facts.postings.push(Posting { debit, credit, amount, debit_after, credit_after });
        Ok(taken)
    }

    fn take(&mut self, place: usize, amount: i64, from: &Debit<'_>) -> Result<Taken, Rejection> {
        let row = self.row(place);
        let account = row.id();
        let available = row.available();
        let before = row.balance;
        let after = before.checked_sub(amount).ok_or(Rejection::BalanceOutOfRange { account })?;
        let is_checked =
            matches!(from, Debit::InOrder | Debit::LotsFirst(_)) && !row.kind.may_go_below_zero();
        if is_checked && available < amount {
            return Err(Rejection::InsufficientFunds { account, available, needed: amount });
        }
        row.balance = after;
        if self.at(place).lots.is_empty() {
            return Ok(Taken::new());
        }
        match from {
            Debit::InOrder => self.spend(place, before, amount),
            Debit::LotsFirst(lots) => self.spend_first(place, before, amount, lots),
            Debit::Held(allocations) => self.spend_held(place, allocations),
            Debit::Expired(lot) => self.spend_lot(place, *lot, amount),
        }
    }

    fn give(&mut self, place: usize, amount: i64, into: &Credit<'_>, taken: &Taken) -> Result<(), Rejection> {
        let row = self.row(place);
        let owed = row.held.saturating_sub(row.balance).max(0);
        let account = row.id();
        row.balance = row.balance.checked_add(amount).ok_or(Rejection::BalanceOutOfRange { account })?;
        if row.kind != AccountKind::Customer {
            return Ok(());
        }
        match into {
            Credit::AsTaken if taken.is_empty() => Ok(()),
            Credit::AsTaken => self.put_in_lots(place, taken, owed),
            Credit::Lot(terms, more) => {
                let amount = amount.saturating_add(*more).saturating_sub(owed);
                if amount > 0 { self.open_lot(place, terms, amount) } else { Ok(()) }
            }
            Credit::Restored(lots) => self.put_in_lots(place, lots, owed),
        }
    }
}
