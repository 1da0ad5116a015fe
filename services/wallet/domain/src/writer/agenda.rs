//! What expires when: follows from the state, is kept in order beside it, and is built anew when a
//! partition is recovered.

use std::collections::{BTreeSet, HashMap};

use ids::{OperationId, TenantId};
use uuid::Uuid;

use crate::effect::{Change, LotJoined, LotMoved, LotOpened};
use crate::state::{Lot, PartitionState};
use crate::{AccountKind, AccountTerms, Command, Expire, Recorded, Verb};

/// Lots and holds by the time at which they expire, per tenant.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    tenants: HashMap<u32, BTreeSet<(i64, Expire)>>,
    /// When each entry is due, to find it again.
    times: HashMap<Expire, i64>,
}

impl Agenda {
    pub(super) fn of(state: &PartitionState) -> Self {
        let mut agenda = Self::default();
        for (number, lot) in state.lots.rows.iter().filter(|(_, lot)| lot.free > 0) {
            let tenant = state.accounts.get(lot.account).map(|row| row.tenant);
            agenda.set(tenant.unwrap_or_default(), Expire::Lot(number), lot.expires());
        }
        for (number, hold) in state.holds.rows.iter() {
            agenda.set(hold.tenant, Expire::Hold(number), hold.expires_at_ms);
        }
        agenda
    }

    /// Enters what an operation opened or gave back and strikes what it ended or set aside; `state` is
    /// that after it.
    pub(super) fn follow(&mut self, state: &PartitionState, tenant: u32, recorded: Recorded<'_>) {
        for effect in recorded.effects {
            match &effect.change {
                Some(
                    Change::LotOpened(LotOpened { lot, .. })
                    | Change::LotMoved(LotMoved { lot, .. })
                    | Change::LotJoined(LotJoined { lot, .. }),
                ) => {
                    let row = state.lots.rows.get(*lot).filter(|lot| lot.free > 0);
                    self.set(tenant, Expire::Lot(*lot), row.and_then(Lot::expires));
                }
                Some(Change::HoldPlaced(placed)) => {
                    self.set(tenant, Expire::Hold(placed.hold), placed.expires_at_ms);
                }
                Some(Change::HoldReduced(reduced)) if reduced.ended => {
                    self.set(tenant, Expire::Hold(reduced.hold), None);
                }
                _ => {}
            }
        }
    }

    fn set(&mut self, tenant: u32, item: Expire, at_ms: Option<i64>) {
        let before = match at_ms {
            Some(at_ms) => self.times.insert(item, at_ms),
            None => self.times.remove(&item),
        };
        if before == at_ms {
            return;
        }
        let entries = self.tenants.entry(tenant).or_default();
        before.map(|before| entries.remove(&(before, item)));
        entries.extend(at_ms.map(|at_ms| (at_ms, item)));
        if entries.is_empty() {
            self.tenants.remove(&tenant);
        }
    }

    /// The earliest time of every tenant that has any.
    pub(super) fn next(&self) -> impl Iterator<Item = (u32, i64)> {
        self.tenants
            .iter()
            .filter_map(|(tenant, entries)| entries.first().map(|(at_ms, _)| (*tenant, *at_ms)))
    }

    /// At most `limit` entries of a tenant that are due.
    pub(super) fn due(&self, tenant: u32, at_ms: i64, limit: usize) -> Vec<Expire> {
        let entries = self.tenants.get(&tenant).into_iter().flatten();
        entries.take_while(|(due_ms, _)| *due_ms <= at_ms).take(limit).map(|(_, item)| *item).collect()
    }
}

/// The command by which something expires, and the account that its units go to. A lot of which all
/// is held waits until the hold ends.
pub(super) fn command(
    state: &PartitionState,
    tenant: TenantId,
    item: Expire,
) -> Option<(Command, Option<AccountTerms>)> {
    let (id, breakage) = match item {
        Expire::Lot(number) => {
            let lot = state.lots.rows.get(number).filter(|lot| lot.free > 0)?;
            let asset = state.asset_of(state.accounts.get(lot.account)?);
            (lot.id, Some(AccountTerms::system(tenant, AccountKind::Breakage, asset)))
        }
        Expire::Hold(number) => (state.holds.rows.get(number)?.id, None),
    };
    let id = Uuid::from_u64_pair(id.0, id.1).to_string();
    // What is given back to a lot after its time expires apart from what did before: the count of
    // operations tells them apart, also within one batch.
    let operation = OperationId::derived(&["ledger-expiry", &id, &state.operations.ever().to_string()]);
    let reference = match item {
        Expire::Lot(_) => format!("lot/{id}"),
        Expire::Hold(_) => format!("hold/{id}"),
    };
    let command = Command::new(operation, Verb::Expire(item), "expired", reference);
    Some((Command { unseen_through: state.sequence(), ..command }, breakage))
}

#[cfg(test)]
mod tests;
