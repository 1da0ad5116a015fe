//! Takes the facts of one operation, checking each against the state.
//!
//! Effects come before postings, because a capture frees held units before they are posted. What
//! must hold at the end (nobody gave more than it may) is checked at the end.

use ids::OperationId;

use super::{Acquaintance, Broken, Hold, PartitionState, Seen, Undone, Watch};
use crate::effect::{
    AccountChanged, Alerted, Change, Counted, Effect, HoldPlaced, HoldReduced, LotJoined, LotMoved,
    LotOpened, Reversed, Sent, Used,
};
use crate::{AccountStatus, Alerts, Operation, Posting, Recorded, stored};

/// Whether all that an account gave had been held: it gives what it promised even if it may owe less
/// by now.
fn was_held(account: u32, postings: &[Posting], effects: &[Effect]) -> bool {
    let given = postings.iter().filter(|posting| posting.debit == account);
    let given = given.fold(0_i64, |sum, posting| sum.saturating_add(posting.amount));
    let captured = effects.iter().fold(0_i64, |sum, effect| match &effect.change {
        Some(Change::HoldReduced(reduced)) if reduced.account == account => {
            sum.saturating_add(reduced.captured)
        }
        _ => sum,
    });
    given <= captured
}

impl PartitionState {
    pub(crate) fn apply_operation(&mut self, batch_at_ms: i64, recorded: Recorded<'_>) -> Result<(), Broken> {
        let Recorded { operation, postings, effects } = recorded;
        let broken =
            Broken::Operation { sequence: self.sequence, operation: OperationId::from_uuid(operation.id()) };
        let at_ms = batch_at_ms.saturating_add(operation.at_offset_ms);
        let tenant = self.tenant_of(operation, postings).ok_or_else(|| broken.clone())?;
        for effect in effects {
            let change = effect.change.as_ref().ok_or_else(|| broken.clone())?;
            self.apply_change((tenant, at_ms), operation, change).ok_or_else(|| broken.clone())?;
        }
        for posting in postings {
            self.move_units(tenant, posting)
                .ok_or(Broken::Posting { sequence: self.sequence, posting: *posting })?;
        }
        let uncovered = postings.iter().find(|posting| {
            self.accounts.get(posting.debit).is_some_and(|row| !row.is_covered())
                && !was_held(posting.debit, postings, effects)
        });
        if let Some(posting) = uncovered {
            return Err(Broken::Posting { sequence: self.sequence, posting: *posting });
        }
        self.record((tenant, at_ms), operation, batch_at_ms).ok_or(broken)
    }

    fn tenant_of(&self, operation: &Operation, postings: &[Posting]) -> Option<u32> {
        match operation.tenant.checked_sub(1) {
            Some(tenant) => self.tenants.get(tenant).map(|_| tenant),
            None => self.accounts.get(postings.first()?.debit).map(|row| row.tenant),
        }
    }

    fn record(&mut self, (tenant, at_ms): (u32, i64), operation: &Operation, batch_at_ms: i64) -> Option<()> {
        let books = self.books.get_mut(tenant as usize)?;
        books.last_ms = books.last_ms.max(at_ms);
        let id = (operation.id_high, operation.id_low);
        let seen = Seen { id, body: operation.body, sequence: self.sequence, tenant };
        self.operations.record(seen, batch_at_ms)
    }

    /// Moves the units of a posting if the result is what the posting says.
    fn move_units(&mut self, tenant: u32, posting: &Posting) -> Option<()> {
        let (debit, credit) = (self.accounts.get(posting.debit)?, self.accounts.get(posting.credit)?);
        let given = debit.balance.checked_sub(posting.amount)?;
        let taken = credit.balance.checked_add(posting.amount)?;
        let same_unit = debit.asset == credit.asset && [debit.tenant, credit.tenant] == [tenant; 2];
        let as_recorded = (given, taken) == (posting.debit_after, posting.credit_after);
        let sound = posting.amount > 0 && posting.debit != posting.credit;
        (same_unit && as_recorded && sound).then_some(())?;
        self.accounts.get_mut(posting.debit)?.balance = given;
        self.accounts.get_mut(posting.credit)?.balance = taken;
        Some(())
    }

    fn apply_change(&mut self, at: (u32, i64), operation: &Operation, change: &Change) -> Option<()> {
        let (tenant, at_ms) = at;
        match change {
            Change::LotOpened(opened) => self.open_lot(opened),
            Change::LotMoved(moved) => self.move_lot(moved),
            Change::LotJoined(joined) => self.join_lot(joined),
            Change::HoldPlaced(placed) => self.place_hold(tenant, operation, placed),
            Change::HoldReduced(reduced) => self.reduce_hold(reduced),
            Change::AccountChanged(changed) => self.change_account(changed),
            Change::Reversed(reversed) => self.note_reversal(tenant, reversed),
            Change::Counted(counted) => self.count(at_ms, counted),
            Change::LimitsSet(set) => {
                self.books.get_mut(tenant as usize)?.limits = stored::read_rules(&set.rules)?.into();
                Some(())
            }
            Change::MeterPut(put) => {
                self.books.get_mut(tenant as usize)?.put_meter(stored::read_meter(put)?);
                Some(())
            }
            Change::Used(used) => self.use_meter(used),
            Change::Alerted(alerted) => self.alert(alerted),
            Change::Sent(sent) => self.send(at_ms, sent),
        }
    }

    fn open_lot(&mut self, opened: &LotOpened) -> Option<()> {
        let terms = opened.terms.as_ref()?.read()?;
        let id = (opened.id_high, opened.id_low);
        let lot = self.lots.describe(opened.account, id, opened.amount, &terms)?;
        (opened.amount > 0).then_some(())?;
        self.lots.open(&mut self.accounts, opened.lot, lot)
    }

    fn move_lot(&mut self, moved: &LotMoved) -> Option<()> {
        let lot = self.lots.rows.get(moved.lot)?;
        let same = (lot.account, lot.id) == (moved.account, (moved.id_high, moved.id_low));
        let sum = moved.free.checked_add(moved.held)?.checked_add(moved.left)?;
        let sound = moved.free >= 0 && moved.held >= 0 && moved.left >= 0 && sum == lot.left();
        (same && sound).then_some(())?;
        self.lots.set(&mut self.accounts, moved.lot, moved.free, moved.held)
    }

    fn join_lot(&mut self, joined: &LotJoined) -> Option<()> {
        let lot = self.lots.rows.get(joined.lot)?;
        let same =
            (lot.account, lot.id, lot.held) == (joined.account, (joined.id_high, joined.id_low), joined.held);
        let free = lot.free.checked_add(joined.amount)?;
        (same && joined.amount > 0 && free == joined.free).then_some(())?;
        self.lots.set(&mut self.accounts, joined.lot, joined.free, joined.held)
    }

    fn place_hold(&mut self, tenant: u32, operation: &Operation, placed: &HoldPlaced) -> Option<()> {
        let row = self.accounts.get_mut(placed.account).filter(|row| row.tenant == tenant)?;
        row.held = row.held.checked_add(placed.amount).filter(|held| *held == placed.held_after)?;
        let is_whole = placed.amount > 0 || !placed.meter.is_empty();
        (placed.amount >= 0 && is_whole && row.is_covered()).then_some(())?;
        let usage = (!placed.meter.is_empty()).then(|| Box::new((placed.meter.clone(), placed.quantity)));
        if !placed.meter.is_empty() {
            let usage = self.counters.usage.entry((placed.account, placed.meter.clone())).or_default();
            usage.reserved = usage.reserved.checked_add(placed.quantity)?;
        }
        let hold = Hold {
            id: (operation.id_high, operation.id_low),
            tenant,
            account: placed.account,
            credit: placed.credit,
            left: placed.amount,
            expires_at_ms: placed.expires_at_ms,
            allocations: placed.allocations.clone().into(),
            usage,
        };
        self.holds.insert(placed.hold, hold)
    }

    fn reduce_hold(&mut self, reduced: &HoldReduced) -> Option<()> {
        let hold = self.holds.rows.get(reduced.hold)?;
        (hold.id == (reduced.id_high, reduced.id_low) && hold.account == reduced.account).then_some(())?;
        let units = reduced.captured.checked_add(reduced.released)?;
        (reduced.captured >= 0 && reduced.released >= 0 && hold.left.checked_sub(units)? == reduced.left)
            .then_some(())?;
        let row = self.accounts.get_mut(reduced.account)?;
        row.held = row.held.checked_sub(units).filter(|held| *held == reduced.held_after)?;
        let parts = (reduced.captured, reduced.released);
        let ended = self.holds.reduce(reduced.hold, parts, reduced.ended)?;
        if let Some((meter, quantity)) = ended.and_then(|hold| hold.usage).map(|usage| *usage) {
            let usage = self.counters.usage.entry((reduced.account, meter)).or_default();
            usage.reserved = usage.reserved.checked_sub(quantity)?;
        }
        Some(())
    }

    fn change_account(&mut self, changed: &AccountChanged) -> Option<()> {
        let alerts = Alerts {
            low_below: changed.low_below,
            top_up_below: changed.top_up_below,
            top_up_amount: changed.top_up_amount,
        };
        let row = self.accounts.get_mut(changed.account)?;
        row.status = AccountStatus::numbered(changed.status)?;
        row.overdraft = changed.overdraft;
        row.watched = alerts != Alerts::default();
        if row.watched {
            let watch = self.counters.watches.entry(changed.account).or_default();
            if watch.alerts != alerts {
                *watch = Watch { alerts, ..Watch::default() };
            }
        } else {
            self.counters.watches.remove(&changed.account);
        }
        Some(())
    }

    fn note_reversal(&mut self, tenant: u32, reversed: &Reversed) -> Option<()> {
        let undone = Undone { at_ms: reversed.at_ms, legs: reversed.undone.clone().into() };
        self.counters.undone.insert((tenant, (reversed.id_high, reversed.id_low)), undone);
        Some(())
    }

    fn count(&mut self, at_ms: i64, counted: &Counted) -> Option<()> {
        let window = self.counters.windows.entry((counted.account, counted.rule)).or_default();
        window.count(counted.slice_ms, at_ms, counted.amount);
        Some(())
    }

    fn use_meter(&mut self, used: &Used) -> Option<()> {
        let before = self.counters.usage(used.account, &used.meter, used.period_start_ms);
        let after = before.used.checked_add(used.quantity).filter(|after| *after == used.used_after)?;
        let usage = super::Usage { used: after, ..before };
        self.counters.usage.insert((used.account, used.meter.clone()), usage);
        Some(())
    }

    /// Alerts are said once until enough is there again.
    fn alert(&mut self, alerted: &Alerted) -> Option<()> {
        let watch = self.counters.watches.get_mut(&alerted.account)?;
        let is_below = alerted.available < alerted.below;
        match alerted.top_up_amount {
            0 => watch.is_low = is_below,
            _ => watch.is_asked = is_below,
        }
        Some(())
    }

    fn send(&mut self, at_ms: i64, sent: &Sent) -> Option<()> {
        let begun = Acquaintance { since_ms: at_ms, sent: 0 };
        let known = self.counters.acquaintances.entry((sent.account, sent.recipient)).or_insert(begun);
        known.sent = known.sent.saturating_add(sent.amount);
        Some(())
    }
}
