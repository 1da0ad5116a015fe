//! A client: has several calls under way, hangs up now and then, and asks again with the same id
//! until it knows.

use std::sync::Arc;

use ids::TenantId;
use tokio::sync::oneshot::{self, Receiver, error::TryRecvError};
use wallet_domain::{OpenAccount, Origin, Rejection, Request, Verb};

use super::Check;
use super::auditor::{Ack, Auditor};
use super::dice::Dice;
use super::process::Process;
use super::question::{Question, Seen};
use crate::engine::packed::{PackedAnswer, PackedPosts};
use crate::engine::work::{Decided, Reading, Ruled, View, Work};

/// After so many milliseconds a client gives a call up.
const PATIENCE: i64 = 500;

/// What a client wants: numbers of orders and openings that the auditor knows.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    Open(usize),
    One(usize),
    Many(Vec<usize>),
    Packed(Vec<usize>),
    Read(Question),
}

enum Reply {
    Ruled(Receiver<Decided<Ruled>>),
    Many(Receiver<Decided<Vec<Ruled>>>),
    Packed(Receiver<Decided<PackedAnswer>>),
    View(Receiver<Decided<View<Seen>>>),
}

enum Told {
    Ruled(Vec<Ruled>),
    Packed(PackedAnswer),
    View(View<Seen>),
}

struct Call {
    ask: Ask,
    /// Which time each order was sent.
    nth: Vec<u32>,
    floor: u64,
    since_ms: i64,
    reply: Reply,
}

#[derive(Default)]
pub(super) struct Client {
    calls: Vec<Call>,
    /// What it must ask again.
    again: Vec<Ask>,
    pub(super) gave_up: u64,
    pub(super) asked_again: u64,
}

impl Client {
    pub(super) fn is_busy(&self) -> bool {
        self.calls.len() + self.again.len() >= 12
    }

    pub(super) fn has_everything(&self) -> bool {
        self.calls.is_empty() && self.again.is_empty()
    }

    pub(super) fn want(&mut self, ask: Ask) {
        self.again.push(ask);
    }

    /// Sends what it wants next to a process, if that takes it.
    pub(super) fn send(&mut self, process: &Process, auditor: &mut Auditor, now_ms: i64) {
        let Some(mailbox) = &process.mailbox else { return };
        let Some(ask) = self.again.pop() else { return };
        let (work, reply) = work(&ask, auditor, process.wall_ms(now_ms));
        let nth = ask.orders().iter().map(|order| auditor.sent(*order)).collect();
        let floor = auditor.known;
        if mailbox.put(work).is_ok() {
            self.calls.push(Call { ask, nth, floor, since_ms: now_ms, reply });
        } else {
            self.again.push(ask);
        }
    }

    /// Takes the answers that have come.
    pub(super) fn receive(
        &mut self,
        auditor: &mut Auditor,
        now_ms: i64,
        hang_up: usize,
        dice: &mut Dice,
    ) -> Check {
        for mut call in std::mem::take(&mut self.calls) {
            let is_over = now_ms - call.since_ms > PATIENCE || dice.chance(hang_up / 20);
            match call.reply.poll() {
                Ok(told) => self.take(&call, told, auditor, dice)?,
                Err(false) if !is_over => self.calls.push(call),
                Err(_) => self.ask_again(call.ask, dice),
            }
        }
        Ok(())
    }

    /// Some never come back to it: then nobody is told what became of it.
    fn ask_again(&mut self, ask: Ask, dice: &mut Dice) {
        if matches!(ask, Ask::Open(_)) || !dice.chance(100) {
            self.asked_again += 1;
            self.again.push(ask);
        } else {
            self.gave_up += 1;
        }
    }

    fn take(&mut self, call: &Call, told: Told, auditor: &mut Auditor, dice: &mut Dice) -> Check {
        let floor = call.floor;
        match (told, &call.ask) {
            (Told::View(view), Ask::Read(question)) => {
                auditor.seen(*question, view.value, view.sequence, floor)
            }
            (Told::Ruled(ruled), Ask::Open(opening)) => match ruled.into_iter().next() {
                Some(Ok(answer)) => auditor.opened(*opening, &answer, floor),
                Some(Err(rejection)) => Err(format!("an opening was refused: {rejection}")),
                None => Err("an opening without an answer".to_owned()),
            },
            (Told::Ruled(ruled), ask) => {
                let orders = ask.orders();
                if ruled.len() != orders.len() {
                    return Err(format!("{} answers to {ask:?}", ruled.len()));
                }
                for ((order, nth), ruled) in orders.iter().zip(&call.nth).zip(ruled) {
                    match ruled {
                        Ok(answer) => {
                            let outcome = (!answer.repeated).then_some(answer.outcome);
                            let (sequence, repeated) = (answer.sequence, answer.repeated);
                            auditor.done(
                                *order,
                                *nth,
                                Ack { sequence, is_exact: true, repeated, outcome },
                                floor,
                            )?;
                        }
                        Err(why) => self.refused((*order, *nth), &why, floor, auditor, dice)?,
                    }
                }
                Ok(())
            }
            (Told::Packed(answer), ask) => {
                for ((place, order), nth) in (0..).zip(ask.orders()).zip(&call.nth) {
                    if let Some((_, why)) = answer.refused.iter().find(|(at, _)| *at == place) {
                        self.refused((order, *nth), why, floor, auditor, dice)?;
                        continue;
                    }
                    let repeated = answer.repeated.contains(&place);
                    let ack = Ack { sequence: answer.sequence, is_exact: !repeated, repeated, outcome: None };
                    auditor.done(order, *nth, ack, floor)?;
                }
                Ok(())
            }
            (Told::View(_), ask) => Err(format!("a view in answer to {ask:?}")),
        }
    }

    fn refused(
        &mut self,
        (order, nth): (usize, u32),
        why: &Rejection,
        floor: u64,
        auditor: &mut Auditor,
        dice: &mut Dice,
    ) -> Check {
        if dice.chance(30) {
            self.again.push(Ask::One(order));
        }
        auditor.refused(order, nth, why, floor)
    }
}

impl Ask {
    fn orders(&self) -> Vec<usize> {
        match self {
            Self::One(order) => vec![*order],
            Self::Many(orders) | Self::Packed(orders) => orders.clone(),
            Self::Open(_) | Self::Read(_) => Vec::new(),
        }
    }
}

impl Reply {
    /// What came, or whether nothing can come any more.
    fn poll(&mut self) -> Result<Told, bool> {
        fn look<T>(receiver: &mut Receiver<Decided<T>>) -> Result<T, bool> {
            match receiver.try_recv() {
                Ok(Ok(told)) => Ok(told),
                Err(TryRecvError::Empty) => Err(false),
                Ok(Err(_)) | Err(TryRecvError::Closed) => Err(true),
            }
        }
        match self {
            Self::Ruled(reply) => look(reply).map(|ruled| Told::Ruled(vec![ruled])),
            Self::Many(reply) => look(reply).map(Told::Ruled),
            Self::Packed(reply) => look(reply).map(Told::Packed),
            Self::View(reply) => look(reply).map(Told::View),
        }
    }
}

fn work(ask: &Ask, auditor: &Auditor, at_ms: i64) -> (Work, Reply) {
    let request = |tenant: TenantId, roles: Arc<[String]>| {
        let origin = Origin { actor: "sim".to_owned(), ..Origin::default() };
        Request { tenant, at_ms, origin: Arc::new(origin), roles }
    };
    let of = |order: usize| {
        let order = &auditor.orders[order];
        (request(order.tenant, Arc::clone(&order.roles)), order.command.clone())
    };
    let requested = |orders: &[usize]| of(orders.first().copied().unwrap_or_default()).0;
    match ask {
        Ask::Open(opening) => {
            let opening = &auditor.openings[*opening];
            let (reply, receiver) = oneshot::channel();
            let command: OpenAccount = opening.command.clone();
            let request = request(opening.tenant, Arc::default());
            (Work::Open { request, command, reply }, Reply::Ruled(receiver))
        }
        Ask::One(order) => {
            let ((request, command), (reply, receiver)) = (of(*order), oneshot::channel());
            (Work::One { request, command: Box::new(command), reply }, Reply::Ruled(receiver))
        }
        Ask::Many(orders) => {
            let (reply, receiver) = oneshot::channel();
            let commands = orders.iter().map(|order| of(*order).1).collect();
            (Work::Many { request: requested(orders), commands, reply }, Reply::Many(receiver))
        }
        Ask::Packed(orders) => {
            let (reply, receiver) = oneshot::channel();
            let posts = Box::new(packed(orders, auditor));
            (Work::Packed { request: requested(orders), posts, reply }, Reply::Packed(receiver))
        }
        Ask::Read(question) => {
            let (question, (reply, receiver)) = (*question, oneshot::channel());
            let reading = Reading { look: move |state: &_| question.look(state), reply };
            (Work::Read(Box::new(reading)), Reply::View(receiver))
        }
    }
}

fn packed(orders: &[usize], auditor: &Auditor) -> PackedPosts {
    let first = &auditor.orders[orders[0]].command;
    let mut posts = PackedPosts {
        note: first.note.clone(),
        operations: Vec::new(),
        debits: Vec::new(),
        credits: Vec::new(),
        amounts: Vec::new(),
    };
    for command in orders.iter().map(|order| &auditor.orders[*order].command) {
        let Verb::Post(legs) = &command.verb else { continue };
        let Some(leg) = legs.first() else { continue };
        let halves = |id: uuid::Uuid| <[u64; 2]>::from(id.as_u64_pair());
        posts.operations.extend(halves(command.operation.as_uuid()));
        posts.debits.extend(halves(leg.debit.as_uuid()));
        posts.credits.extend(halves(leg.credit.as_uuid()));
        posts.amounts.push(leg.amount);
    }
    posts
}
