//! What the clients of a run want.

use std::sync::Arc;

use ids::{OperationId, TenantId};
use wallet_domain::samples::{NOON_MS, tenant};
use wallet_domain::{Batch, Command, OpenAccount, Original, Verb, original};

use super::super::auditor::Auditor;
use super::super::client::Ask;
use super::super::dice::Dice;
use super::super::disk::SimJournal;
use super::super::question::Question;
use super::super::workload::{self, Past, chart};
use super::World;

impl World {
    pub(super) fn want_openings(&mut self, count: usize) {
        for (tenant, terms) in chart().iter().take(count) {
            let opening = self.auditor.opening(*tenant, OpenAccount { terms: *terms });
            self.clients[0].want(Ask::Open(opening));
        }
    }

    pub(super) fn want_read(&mut self) {
        let read = self.read();
        let client = self.dice.below(self.clients.len());
        self.clients[client].want(read);
    }

    pub(super) fn ask(&mut self) {
        let client = self.dice.below(self.clients.len());
        if self.clients[client].is_busy() || !self.dice.chance(350) {
            return;
        }
        let ask = match self.dice.below(100) {
            0..45 => Ask::One(self.order()),
            45..57 => Ask::Many(self.orders(false)),
            57..67 => Ask::Packed(self.orders(true)),
            67..70 => {
                let (tenant, terms) = *self.dice.one_of(chart());
                Ask::Open(self.auditor.opening(tenant, OpenAccount { terms }))
            }
            70..76 if !self.auditor.orders.is_empty() => Ask::One(self.dice.below(self.auditor.orders.len())),
            76..79 if !self.auditor.orders.is_empty() => Ask::One(self.reuse()),
            _ => self.read(),
        };
        self.say(|| format!("client {client} wants {ask:?}"));
        self.clients[client].want(ask);
    }

    /// Several of one caller.
    fn orders(&mut self, are_simple: bool) -> Vec<usize> {
        let roles = workload::roles(&mut self.dice);
        (0..1 + self.dice.below(6)).map(|_| self.order_of(tenant(), are_simple, &roles)).collect()
    }

    fn order(&mut self) -> usize {
        let tenant = if self.dice.chance(40) { workload::other_tenant() } else { tenant() };
        let roles = workload::roles(&mut self.dice);
        self.order_of(tenant, false, &roles)
    }

    fn order_of(&mut self, tenant: TenantId, is_simple: bool, roles: &Arc<[String]>) -> usize {
        let at_ms = NOON_MS + self.signed_ms();
        let operation = workload::operation(self.auditor.orders.len(), at_ms);
        let command = if is_simple {
            Command::post(operation, [workload::simple_post(&mut self.dice)], "packed", "")
        } else {
            self.command(operation, at_ms)
        };
        match &command.verb {
            Verb::Hold(_) => self.holds.push(operation),
            Verb::ReserveUsage(_) => self.reservations.push(operation),
            _ => {}
        }
        self.say(|| format!("order {}: {:?}", self.auditor.orders.len(), command));
        self.auditor.order(tenant, command, Arc::clone(roles))
    }

    /// An id that was used before, with another body.
    fn reuse(&mut self) -> usize {
        let place = self.dice.below(self.auditor.orders.len());
        let (tenant, operation) =
            (self.auditor.orders[place].tenant, self.auditor.orders[place].command.operation);
        let at_ms = NOON_MS + self.signed_ms();
        let command = self.command(operation, at_ms);
        self.auditor.order(tenant, command, Default::default())
    }

    fn command(&mut self, operation: OperationId, at_ms: i64) -> Command {
        let (auditor, journal) = (&self.auditor, &self.journal);
        let original = |dice: &mut Dice| find_original(auditor, journal, dice);
        let past = Past { holds: &self.holds, reservations: &self.reservations, original: &original, at_ms };
        workload::command(&mut self.dice, operation, &past)
    }

    fn read(&mut self) -> Ask {
        let (tenant, terms) = *self.dice.one_of(chart());
        let order = self.dice.below(self.auditor.orders.len());
        let question = match (self.dice.below(10), self.auditor.orders.get(order)) {
            (0..2, Some(order)) => Question::Operation(order.tenant, order.command.operation),
            (2, Some(order)) => Question::Hold(order.tenant, order.command.operation),
            (3, _) => Question::Trial(tenant),
            _ => Question::Account(tenant, terms.account),
        };
        Ask::Read(question)
    }
}

/// An operation that was acknowledged, as the journal has it.
fn find_original(auditor: &Auditor, journal: &SimJournal, dice: &mut Dice) -> Option<Original> {
    let back = 1 + dice.below(auditor.orders.len().min(30));
    let place = auditor.orders.len().checked_sub(back)?;
    let (sequence, id) = (auditor.recorded(place)?, auditor.orders[place].command.operation);
    let disk = journal.disk();
    let row = disk.rows.get(usize::try_from(sequence).ok()?.checked_sub(1)?)?;
    let batch = Batch::from_payload(&row.payload).ok()?;
    let found = batch.recorded().find(|found| found.operation.id() == id.as_uuid())?;
    Some(original(found, batch.time_of(found.operation)))
}
