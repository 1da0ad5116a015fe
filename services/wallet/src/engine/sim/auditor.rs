//! The auditor: knows what was sent, what was answered and in which order, and nothing of what goes on
//! inside. While a run lasts it checks that no answer is older than an earlier one. In the end it walks
//! through the journal with a [`Book`] of its own and compares it with every answer there was.

use std::collections::HashMap;
use std::sync::Arc;

use ids::{OperationId, TenantId};
use journal::{Chain, Row};
use wallet_domain::{
    Answer, Batch, Command, OpenAccount, Outcome, PartitionState, Recorded, Rejection, Verb, digest,
};

use super::Check;
use super::book::{Book, Entry};
use super::question::{Question, Seen};

/// A command that a client has sent, and what it was told.
pub(super) struct Order {
    pub(super) tenant: TenantId,
    pub(super) command: Command,
    pub(super) roles: Arc<[String]>,
    body: u64,
    /// How often it was sent, and which time it was refused last; 0 for never.
    sent: u32,
    refused: u32,
    /// Which time it was first told to be done; 0 for never.
    done: u32,
    acks: Vec<Ack>,
}

/// What a client was told: it is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ack {
    /// The batch, or one that is not before it.
    pub(super) sequence: u64,
    pub(super) is_exact: bool,
    pub(super) repeated: bool,
    pub(super) outcome: Option<Outcome>,
}

/// An account that a client wants open.
pub(super) struct Opening {
    pub(super) tenant: TenantId,
    pub(super) command: OpenAccount,
    acks: Vec<u64>,
}

/// Something that was seen of the state, by a read or in a refusal.
#[derive(Debug)]
struct Observation {
    question: Question,
    seen: Seen,
    /// What had been answered from when it was asked: a batch that it must see the whole of.
    floor: u64,
    /// The batch it was told to be up to; a refusal does not say.
    sequence: Option<u64>,
    fits: bool,
}

#[derive(Default)]
pub(super) struct Auditor {
    pub(super) orders: Vec<Order>,
    by_id: HashMap<(TenantId, OperationId), Vec<usize>>,
    pub(super) openings: Vec<Opening>,
    observations: Vec<Observation>,
    /// The latest batch that any answer rests on.
    pub(super) known: u64,
    /// Answers since the last look, for the story.
    pub(super) said: Vec<String>,
    pub(super) is_told: bool,
    pub(super) refusals: HashMap<&'static str, u64>,
}

impl Auditor {
    fn say(&mut self, what: impl FnOnce() -> String) {
        if self.is_told {
            self.said.push(what());
        }
    }

    pub(super) fn order(&mut self, tenant: TenantId, command: Command, roles: Arc<[String]>) -> usize {
        let number = self.orders.len();
        self.by_id.entry((tenant, command.operation)).or_default().push(number);
        let body = digest(&command);
        self.orders.push(Order {
            tenant,
            command,
            roles,
            body,
            sent: 0,
            refused: 0,
            done: 0,
            acks: Vec::new(),
        });
        number
    }

    pub(super) fn opening(&mut self, tenant: TenantId, command: OpenAccount) -> usize {
        self.openings.push(Opening { tenant, command, acks: Vec::new() });
        self.openings.len() - 1
    }

    pub(super) fn observed(&self) -> u64 {
        self.observations.len() as u64
    }

    /// An order is on its way once more.
    pub(super) fn sent(&mut self, order: usize) -> u32 {
        self.orders[order].sent += 1;
        self.orders[order].sent
    }

    pub(super) fn is_done(&self, order: usize) -> bool {
        !self.orders[order].acks.is_empty()
    }

    /// Where an order is said to have been recorded.
    pub(super) fn recorded(&self, order: usize) -> Option<u64> {
        self.orders[order].acks.iter().find(|ack| ack.is_exact).map(|ack| ack.sequence)
    }

    fn rests_on(&mut self, sequence: u64, floor: u64, is_new: bool) -> Check {
        self.known = self.known.max(sequence);
        if sequence < floor || is_new && sequence == floor {
            return Err(format!("an answer from batch {sequence} to who knew of batch {floor}"));
        }
        Ok(())
    }

    pub(super) fn done(&mut self, order: usize, nth: u32, ack: Ack, floor: u64) -> Check {
        self.say(|| format!("order {order}, time {nth}: {ack:?}"));
        let known = &mut self.orders[order];
        known.acks.push(ack);
        known.done = if known.done == 0 { nth } else { known.done.min(nth) };
        if known.done < known.refused {
            return Err(format!("done, then refused: {:?}", known.command));
        }
        if ack.repeated && ack.is_exact {
            self.known = self.known.max(ack.sequence);
            return Ok(());
        }
        self.rests_on(ack.sequence, floor, !ack.repeated)
    }

    pub(super) fn opened(&mut self, opening: usize, answer: &Answer, floor: u64) -> Check {
        self.openings[opening].acks.push(answer.sequence);
        self.rests_on(answer.sequence, if answer.repeated { 0 } else { floor }, !answer.repeated)
    }

    pub(super) fn refused(&mut self, order: usize, nth: u32, why: &Rejection, floor: u64) -> Check {
        self.say(|| format!("order {order}, time {nth}: {why}"));
        *self.refusals.entry(why.code()).or_default() += 1;
        let order = &mut self.orders[order];
        order.refused = order.refused.max(nth);
        if order.done > 0 && order.done < nth {
            return Err(format!("done, then refused: {why}"));
        }
        let is_single = match &order.command.verb {
            Verb::Post(legs) => legs.len() == 1,
            verb => matches!(verb, Verb::Transfer(_) | Verb::Hold(_)),
        };
        if let Rejection::InsufficientFunds { account, available, .. } = why
            && is_single
        {
            let question = Question::Available(order.tenant, *account);
            let seen = Seen::Available(*available);
            self.observations.push(Observation { question, seen, floor, sequence: None, fits: false });
        }
        Ok(())
    }

    pub(super) fn seen(&mut self, question: Question, seen: Seen, sequence: u64, floor: u64) -> Check {
        self.say(|| format!("{question:?} in batch {sequence}: {seen:?}"));
        let told = Some(sequence);
        self.observations.push(Observation { question, seen, floor, sequence: told, fits: false });
        self.rests_on(sequence, floor, false)
    }

    /// Walks through the journal, in which whatever was due at `due_ms` must have expired; answers the
    /// state that replaying it leads to.
    pub(super) fn audit(&mut self, rows: &[Row], due_ms: i64) -> Result<PartitionState, String> {
        let (mut chain, mut state, mut book) = (Chain::start(0), PartitionState::default(), Book::default());
        let mut epoch = 0;
        self.observe(&book, 0, true);
        for row in rows {
            let what = |what: &dyn std::fmt::Display| format!("batch {}: {what}", row.sequence);
            chain.follow(row).map_err(|broken| what(&broken))?;
            if row.epoch < epoch {
                return Err(what(&format!("epoch {} behind epoch {epoch}", row.epoch)));
            }
            epoch = row.epoch;
            let batch = Batch::from_payload(&row.payload).map_err(|corrupt| what(&corrupt))?;
            state.apply(row.sequence, &batch).map_err(|broken| what(&broken))?;
            self.walk(&mut book, row.sequence, &batch).map_err(|wrong| what(&wrong))?;
        }
        self.check_acks(&book)?;
        if let Some(overdue) = book.overdue(due_ms) {
            return Err(overdue);
        }
        match self.observations.iter().find(|observation| !observation.fits) {
            Some(observation) => Err(format!("never true: {observation:?}")),
            None => Ok(state),
        }
    }

    fn walk(&mut self, book: &mut Book, sequence: u64, batch: &Batch) -> Check {
        for opening in &batch.openings {
            book.open(opening, batch.word(opening.asset).unwrap_or_default())?;
        }
        self.observe(book, sequence, batch.operations.is_empty());
        let last = batch.operations.len().saturating_sub(1);
        for (place, recorded) in batch.recorded().enumerate() {
            let at_ms = batch.time_of(recorded.operation);
            let named = |wrong| format!("operation {}: {wrong}", recorded.operation.id());
            self.take(book, (sequence, at_ms), recorded).map_err(named)?;
            self.observe(book, sequence, place == last);
        }
        Ok(())
    }

    fn take(&self, book: &mut Book, (sequence, at_ms): (u64, i64), recorded: Recorded<'_>) -> Check {
        let tenant = book.tenant_of(recorded).ok_or("whose is it?")?;
        let operation = OperationId::from_uuid(recorded.operation.id());
        let known = self.by_id.get(&(tenant, operation)).into_iter().flatten().map(|nth| &self.orders[*nth]);
        let is_known = self.by_id.contains_key(&(tenant, operation));
        let order = known.into_iter().find(|order| order.body == recorded.operation.body);
        if is_known && order.is_none() {
            return Err("it is not what was sent".to_owned());
        }
        let sent = order.map(|order| (&order.command, &*order.roles));
        let outcome = book.take(&Entry { sequence, at_ms, recorded, sent })?;
        let Some(order) = order else { return Ok(()) };
        if order.sent == 0 || order.refused == order.sent {
            return Err(format!("it was refused when it was sent last: {:?}", order.command));
        }
        for ack in &order.acks {
            let differs = ack.outcome.is_some_and(|told| told != outcome);
            if ack.is_exact && ack.sequence != sequence || ack.sequence < sequence || differs {
                return Err(format!("{ack:?}, but it came to {outcome:?}: {:?}", order.command));
            }
        }
        Ok(())
    }

    /// Which observations are true at this point of the journal.
    fn observe(&mut self, book: &Book, sequence: u64, is_whole: bool) {
        for observation in self.observations.iter_mut().filter(|observation| !observation.fits) {
            let is_late_enough = sequence > observation.floor || sequence == observation.floor && is_whole;
            let is_there = observation.sequence.is_none_or(|told| told == sequence);
            observation.fits =
                is_late_enough && is_there && book.see(observation.question) == observation.seen;
        }
    }

    fn check_acks(&self, book: &Book) -> Check {
        for order in self.orders.iter().filter(|order| !order.acks.is_empty()) {
            let id = (order.tenant, order.command.operation);
            if !book.recorded.contains_key(&id) {
                return Err(format!("acknowledged and lost: {:?}", order.command));
            }
            let news = order.acks.iter().filter(|ack| !ack.repeated).count();
            if news > 1 {
                return Err(format!("{news} times new: {:?}", order.command));
            }
            let others = self.by_id.get(&id).into_iter().flatten().map(|nth| &self.orders[*nth]);
            if others.filter(|other| !other.acks.is_empty()).any(|other| other.body != order.body) {
                return Err(format!("two bodies of one id were done: {:?}", order.command));
            }
        }
        let lost = self
            .openings
            .iter()
            .find(|opening| !opening.acks.is_empty() && !book.has(opening.command.terms.account));
        lost.map_or(Ok(()), |opening| Err(format!("opened and lost: {:?}", opening.command)))
    }
}
