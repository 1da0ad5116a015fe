//! What effects do to the books: holds, lots, overdrafts. The rest changes no units.

use uuid::Uuid;
use wallet_domain::Operation;
use wallet_domain::effect::{Change, Effect, HoldPlaced, HoldReduced, LotJoined, LotMoved, LotOpened};

use super::books::{Books, Flaw, OpenHold, OpenLot, flaw};
use super::finding::Check;

impl Books {
    pub(super) fn change(&mut self, operation: &Operation, effect: &Effect) -> Result<(), Flaw> {
        match &effect.change {
            None => Err(flaw(Check::Decode, "an effect that says nothing")),
            Some(Change::HoldPlaced(placed)) => self.hold(operation.id(), placed),
            Some(Change::HoldReduced(reduced)) => self.reduce(reduced),
            Some(Change::LotOpened(opened)) => self.open_lot(opened),
            Some(Change::LotMoved(moved)) => self.move_lot(moved),
            Some(Change::LotJoined(joined)) => self.join_lot(joined),
            Some(Change::AccountChanged(changed)) => self.agree(changed.account, changed.overdraft),
            Some(_) => Ok(()),
        }
    }

    fn hold(&mut self, id: Uuid, placed: &HoldPlaced) -> Result<(), Flaw> {
        let account = self.hold_units(placed.account, placed.amount, placed.held_after)?;
        let tenant = self.account(placed.account)?.tenant;
        let open = OpenHold { account: placed.account, left: placed.amount };
        match self.holds.insert((tenant, id), open) {
            Some(_) => Err(flaw(Check::Holds, format!("hold {id} was placed twice")).about(account)),
            None => Ok(()),
        }
    }

    fn reduce(&mut self, reduced: &HoldReduced) -> Result<(), Flaw> {
        let (id, tenant) = (reduced.id(), self.account(reduced.account)?.tenant);
        let units = reduced.captured.checked_add(reduced.released).and_then(i64::checked_neg);
        let account = self.hold_units(reduced.account, units.unwrap_or(i64::MAX), reduced.held_after)?;
        let wrong = |detail: String| Err(flaw(Check::Holds, detail).about(account));
        let Some(open) = self.holds.get_mut(&(tenant, id)) else {
            return wrong(format!("hold {id} is not open"));
        };
        open.left = open.left.saturating_add(units.unwrap_or_default());
        let parts_are_sound = reduced.captured >= 0 && reduced.released >= 0;
        if !parts_are_sound || open.left != reduced.left || open.account != reduced.account {
            let left = open.left;
            return wrong(format!("hold {id} has {left} left, and {} are recorded", reduced.left));
        }
        if reduced.ended {
            if open.left != 0 {
                return wrong(format!("hold {id} ended with units left"));
            }
            self.holds.remove(&(tenant, id));
        }
        Ok(())
    }

    /// Sets units of an account aside, or frees them; answers the account's id.
    fn hold_units(&mut self, number: u32, units: i64, recorded: i64) -> Result<Uuid, Flaw> {
        let row = self.touch(number)?;
        let sum = row.held.checked_add(units);
        if sum != Some(recorded) {
            let sum = sum.unwrap_or(i64::MAX);
            let detail = format!("{recorded} held units are recorded, its holds sum to {sum}");
            return Err(flaw(Check::Holds, detail).about(row.id));
        }
        row.held = recorded;
        Ok(row.id)
    }

    fn open_lot(&mut self, opened: &LotOpened) -> Result<(), Flaw> {
        let (id, row) = (opened.id(), self.touch(opened.account)?);
        row.free_in_lots = row.free_in_lots.saturating_add(opened.amount);
        let account = row.id;
        let lot = OpenLot { account: opened.account, id, free: opened.amount, held: 0 };
        let before = self.lots.insert(opened.lot, lot);
        if before.is_some() || opened.amount <= 0 {
            let detail = format!("lot {id} of {} units cannot be opened", opened.amount);
            return Err(flaw(Check::Lots, detail).about(account));
        }
        Ok(())
    }

    fn move_lot(&mut self, moved: &LotMoved) -> Result<(), Flaw> {
        let (id, account) = (moved.id(), self.account(moved.account)?.id);
        let lot = self.lot(moved.account, moved.lot, id)?;
        let after = i128::from(moved.free) + i128::from(moved.held) + i128::from(moved.left);
        let before = i128::from(lot.free) + i128::from(lot.held);
        if after != before || moved.free < 0 || moved.held < 0 || moved.left < 0 {
            let detail = format!("lot {id} has {before} units, of which {after} are accounted for");
            return Err(flaw(Check::Lots, detail).about(account));
        }
        let row = self.touch(moved.account)?;
        row.free_in_lots = row.free_in_lots.saturating_add(moved.free.saturating_sub(lot.free));
        row.held_in_lots = row.held_in_lots.saturating_add(moved.held.saturating_sub(lot.held));
        if moved.free == 0 && moved.held == 0 {
            self.lots.remove(&moved.lot);
        } else {
            self.lots.insert(moved.lot, OpenLot { free: moved.free, held: moved.held, ..lot });
        }
        Ok(())
    }

    fn join_lot(&mut self, joined: &LotJoined) -> Result<(), Flaw> {
        let (id, account) = (joined.id(), self.account(joined.account)?.id);
        let lot = self.lot(joined.account, joined.lot, id)?;
        let free = i128::from(lot.free) + i128::from(joined.amount);
        if joined.amount <= 0 || lot.held != joined.held || free != i128::from(joined.free) {
            let detail =
                format!("lot {id} was joined by {} units and came to {}", joined.amount, joined.free);
            return Err(flaw(Check::Lots, detail).about(account));
        }
        let row = self.touch(joined.account)?;
        row.free_in_lots = row.free_in_lots.saturating_add(joined.amount);
        self.lots.insert(joined.lot, OpenLot { free: joined.free, ..lot });
        Ok(())
    }

    /// The open lot of this number, if it has this id and is the account's.
    fn lot(&self, account: u32, number: u32, id: Uuid) -> Result<OpenLot, Flaw> {
        let known = self.lots.get(&number).filter(|lot| (lot.account, lot.id) == (account, id));
        let owner = self.account(account)?.id;
        known.copied().ok_or_else(|| flaw(Check::Lots, format!("lot {id} is not open")).about(owner))
    }
}
