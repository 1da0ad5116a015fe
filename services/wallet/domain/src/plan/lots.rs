//! Lots within a plan: which are spent, which are opened or joined.
//!
//! A grant has a lot of its own. Units that travel between customers, or come back, join a lot that has
//! their terms: otherwise every transfer would leave another sliver behind.
//!
//! Units outside of lots take their turn as if they lay in a lot of general priority that never
//! expires; what an account may owe comes last of all.

use super::units::LotId;
use super::{Plan, Taken};
use crate::effect::{Allocation, Change, LotJoined, LotMoved, LotOpened};
use crate::state::{Lot, NONE};
use crate::{LOT_PRIORITY_GENERAL, LotTerms, Rejection};

/// Where units outside of lots stand among the lots.
const GENERAL_RANK: (u8, i64) = (LOT_PRIORITY_GENERAL, i64::MAX);

/// A lot as the plan has it.
pub(super) struct Planned {
    number: u32,
    lot: Lot,
    /// Terms of a lot that the plan itself opens.
    terms: Option<LotTerms>,
}

/// The numbers that lots get which the plan opens: those it has emptied first, as the state will do.
#[derive(Default)]
pub(super) struct Numbers {
    emptied: Vec<u32>,
    taken: usize,
    opened: u32,
}

impl Planned {
    pub(super) const fn known((number, lot): (u32, &Lot)) -> Self {
        Self { number, lot: *lot, terms: None }
    }
}

impl Plan<'_> {
    /// Takes units in the order in which they are spent; `balance` is that before.
    pub(super) fn spend(&mut self, place: usize, balance: i64, amount: i64) -> Result<Taken, Rejection> {
        let mut taken = Taken::new();
        for part in self.parts(place, balance, amount) {
            taken.extend(self.leave_lot(place, part, false)?);
        }
        Ok(taken)
    }

    /// Takes what is left of these lots, at most so much of each, then units in order.
    pub(super) fn spend_first(
        &mut self,
        place: usize,
        mut balance: i64,
        mut amount: i64,
        lots: &[(LotId, i64)],
    ) -> Result<Taken, Rejection> {
        let mut taken = Taken::new();
        for (id, most) in lots {
            let found = self.at(place).lots.iter().find(|planned| planned.lot.id == *id);
            let Some((number, free)) = found.map(|planned| (planned.number, planned.lot.free)) else {
                continue;
            };
            let part = free.min(*most).min(amount);
            if part > 0 {
                taken.extend(self.spend_lot(place, number, part)?);
                (balance, amount) = (balance.saturating_sub(part), amount.saturating_sub(part));
            }
        }
        taken.extend(self.spend(place, balance, amount)?);
        Ok(taken)
    }

    /// Takes exactly these held units.
    pub(super) fn spend_held(&mut self, place: usize, held: &[Allocation]) -> Result<Taken, Rejection> {
        let mut taken = Taken::new();
        for part in held {
            taken.extend(self.leave_lot(place, *part, true)?);
        }
        Ok(taken)
    }

    /// Takes free units of exactly this lot.
    pub(crate) fn spend_lot(&mut self, place: usize, lot: u32, amount: i64) -> Result<Taken, Rejection> {
        let part = Allocation { lot: lot.saturating_add(1), amount };
        Ok(self.leave_lot(place, part, false)?.into_iter().collect())
    }

    /// Number and free units of the lots of a series, in the order in which they are spent.
    pub(crate) fn lots_of_series(&mut self, place: usize, series: u64) -> Vec<(u32, i64)> {
        let of_series = self.at(place).lots.iter().filter(|planned| planned.lot.series == series);
        of_series.map(|planned| (planned.number, planned.lot.free)).filter(|(_, free)| *free > 0).collect()
    }

    /// Whether the account has lots.
    pub(crate) fn has_lots(&mut self, place: usize) -> bool {
        !self.at(place).lots.is_empty()
    }

    /// Where so many units come from when they are spent in order.
    pub(crate) fn parts(&mut self, place: usize, balance: i64, amount: i64) -> Vec<Allocation> {
        let touched = self.at(place);
        let sum = |units: fn(&Lot) -> i64| {
            touched.lots.iter().fold(0_i64, |sum, planned| sum.saturating_add(units(&planned.lot)))
        };
        let held_outside = touched.row.held.saturating_sub(sum(|lot| lot.held));
        let mut outside = balance.saturating_sub(sum(Lot::left)).saturating_sub(held_outside).max(0);
        let (mut parts, mut wanted) = (Vec::new(), amount);
        let mut put = |lot: u32, free: i64| {
            let part = free.min(wanted);
            wanted = wanted.saturating_sub(part);
            parts.extend((part > 0).then_some(Allocation { lot, amount: part }));
        };
        for Planned { number, lot, .. } in &touched.lots {
            if lot.rank() > GENERAL_RANK {
                put(0, std::mem::take(&mut outside));
            }
            put(number.saturating_add(1), lot.free);
        }
        put(0, outside);
        put(0, i64::MAX);
        parts
    }

    /// Units leave a lot; answers on which terms they were. Units outside of lots have none.
    fn leave_lot(
        &mut self,
        place: usize,
        part: Allocation,
        from_held: bool,
    ) -> Result<Option<(LotTerms, i64)>, Rejection> {
        let Some(number) = part.lot.checked_sub(1) else { return Ok(None) };
        let (account, planned) = self.lot(place, number)?;
        let lot = &mut planned.lot;
        let left = if from_held { &mut lot.held } else { &mut lot.free };
        *left = left.checked_sub(part.amount).filter(|left| *left >= 0).ok_or(Rejection::PartitionFull)?;
        let (lot, own) = (*lot, planned.terms.clone());
        let terms = own.unwrap_or_else(|| self.state.lots.terms(&lot));
        let (left, leg) = (part.amount, self.leg());
        let terms_noted = Some((&terms).into());
        self.note(Change::LotMoved(LotMoved {
            left,
            terms: terms_noted,
            leg,
            ..moved(account, number, &lot)
        }));
        self.drop_empty(place, number, &lot);
        Ok(Some((terms, part.amount)))
    }

    /// Sets free units of a lot aside.
    pub(crate) fn hold_lot(&mut self, place: usize, part: Allocation) -> Result<(), Rejection> {
        let Some(number) = part.lot.checked_sub(1) else { return Ok(()) };
        let (account, planned) = self.lot(place, number)?;
        planned.lot.free = planned.lot.free.saturating_sub(part.amount);
        planned.lot.held = planned.lot.held.saturating_add(part.amount);
        let moved = moved(account, number, &planned.lot);
        self.note(Change::LotMoved(moved));
        Ok(())
    }

    /// Gives held units of a lot back; the account's row is that after the release. What the account
    /// came to owe meanwhile is filled first: so many units are in no lot any more.
    pub(crate) fn free_lot(&mut self, place: usize, part: Allocation) -> Result<(), Rejection> {
        let Some(number) = part.lot.checked_sub(1) else { return Ok(()) };
        let leg = self.leg();
        let touched = self.at(place);
        let free = touched.lots.iter().fold(0_i64, |sum, planned| sum.saturating_add(planned.lot.free));
        let room = touched.row.balance.saturating_sub(touched.row.held).max(0).saturating_sub(free).max(0);
        let (account, planned) = self.lot(place, number)?;
        let kept = part.amount.min(room);
        planned.lot.free = planned.lot.free.saturating_add(kept);
        planned.lot.held = planned.lot.held.saturating_sub(part.amount);
        let (lot, left) = (planned.lot, part.amount.saturating_sub(kept));
        let terms = (left > 0).then(|| (&self.state.lots.terms(&lot)).into());
        self.note(Change::LotMoved(LotMoved { left, terms, leg, ..moved(account, number, &lot) }));
        self.drop_empty(place, number, &lot);
        Ok(())
    }

    fn drop_empty(&mut self, place: usize, number: u32, lot: &Lot) {
        if lot.left() == 0 {
            self.at(place).lots.retain(|planned| planned.number != number);
            self.numbers.emptied.push(number);
        }
    }

    fn lot(&mut self, place: usize, number: u32) -> Result<(u32, &mut Planned), Rejection> {
        let touched = self.at(place);
        let account = touched.number;
        let planned = touched.lots.iter_mut().find(|planned| planned.number == number);
        planned.map(|planned| (account, planned)).ok_or(Rejection::PartitionFull)
    }

    /// Puts units into lots of a customer account; what the account owed is filled first and is in
    /// no lot.
    pub(super) fn put_in_lots(
        &mut self,
        place: usize,
        lots: &[(LotTerms, i64)],
        mut owed: i64,
    ) -> Result<(), Rejection> {
        for (terms, amount) in lots {
            let filled = owed.min(*amount);
            owed = owed.saturating_sub(filled);
            let amount = amount.saturating_sub(filled);
            if amount > 0 && !self.join_lot(place, terms, amount) {
                self.open_lot(place, terms, amount)?;
            }
        }
        Ok(())
    }

    /// Units join the first lot that has their terms; answers whether there is one.
    fn join_lot(&mut self, place: usize, terms: &LotTerms, amount: i64) -> bool {
        let (leg, sources) = (self.leg(), &self.state.lots.sources);
        let Some(touched) = self.touched.get_mut(place) else { return false };
        let is_on = |planned: &&mut Planned| {
            let own = planned.terms.as_ref().map(|terms| &*terms.source);
            let source = own.or_else(|| sources.get(planned.lot.source).map(|source| &**source));
            planned.lot.is_on(terms, source.unwrap_or_default())
        };
        let Some(Planned { number, lot, .. }) = touched.lots.iter_mut().find(is_on) else { return false };
        lot.free = lot.free.saturating_add(amount);
        let (id_high, id_low) = lot.id;
        let joined = LotJoined {
            account: touched.number,
            lot: *number,
            id_high,
            id_low,
            amount,
            free: lot.free,
            held: lot.held,
            leg,
        };
        self.note(Change::LotJoined(joined));
        true
    }

    pub(super) fn open_lot(&mut self, place: usize, terms: &LotTerms, amount: i64) -> Result<(), Rejection> {
        let number = self.next_number()?;
        let (id_high, id_low) = self.lot_id();
        let leg = self.leg();
        let account = self.at(place).number;
        let stored = Some(terms.into());
        self.note(Change::LotOpened(LotOpened {
            account,
            lot: number,
            id_high,
            id_low,
            amount,
            terms: stored,
            leg,
        }));
        let lot = Lot {
            id: (id_high, id_low),
            granted: amount,
            free: amount,
            held: 0,
            expires_at_ms: terms.expires_at_ms.unwrap_or(i64::MAX),
            series: terms.series,
            account,
            next: NONE,
            source: NONE,
            priority: terms.priority,
        };
        let lots = &mut self.at(place).lots;
        let behind = lots.partition_point(|planned| planned.lot.rank() <= lot.rank());
        lots.insert(behind, Planned { number, lot, terms: Some(terms.clone()) });
        Ok(())
    }

    fn next_number(&mut self) -> Result<u32, Rejection> {
        if let Some(number) = self.numbers.emptied.pop() {
            return Ok(number);
        }
        let number = self.state.lots.rows.number_after(self.numbers.taken).ok_or(Rejection::PartitionFull)?;
        self.numbers.taken = self.numbers.taken.saturating_add(1);
        Ok(number)
    }

    /// The first lot of an operation has its id, the others one that follows from it.
    fn lot_id(&mut self) -> (u64, u64) {
        let nth = self.numbers.opened;
        self.numbers.opened = nth.saturating_add(1);
        if nth == 0 {
            return self.operation.as_uuid().as_u64_pair();
        }
        let facts = ["ledger-lot", &self.operation.to_string(), &nth.to_string()];
        ids::OperationId::derived(&facts).as_uuid().as_u64_pair()
    }

    fn leg(&self) -> u32 {
        u32::try_from(self.facts.postings.len()).unwrap_or(u32::MAX)
    }
}

fn moved(account: u32, number: u32, lot: &Lot) -> LotMoved {
    LotMoved {
        account,
        lot: number,
        id_high: lot.id.0,
        id_low: lot.id.1,
        left: 0,
        free: lot.free,
        held: lot.held,
        terms: None,
        leg: 0,
    }
}

#[cfg(test)]
mod tests;
