//! Runs steps against a writer, a second writer that is reloaded from snapshots now and then, a
//! replaying reader and the auditor, and compares them after every step.

use std::collections::HashMap;

use ids::{AccountId, OperationId};
use wallet_domain::samples::{NOON_MS, a_request, tenant};
use wallet_domain::{
    AccountChange, AccountKind, Answer, Batch, Capture, Command, OpenAccount, Original, PartitionState,
    Refused, Release, Request, Reverse, SettleUsage, Verb, Writer, decode_snapshot, encode_snapshot,
    original,
};

use crate::model::{Account, Model};
use crate::workload::{Step, Wish, chart, operation, other_tenant};

pub struct World {
    pub writer: Writer,
    twin: Writer,
    pub replayed: PartitionState,
    pub model: Model,
    pub batches: Vec<(u64, Batch)>,
    pub acknowledged: Vec<(Request, Command)>,
    originals: HashMap<OperationId, Original>,
    holds: Vec<OperationId>,
    now_ms: i64,
    next: u64,
    available: HashMap<AccountId, i128>,
    pub refused: HashMap<&'static str, usize>,
    pub done: HashMap<&'static str, usize>,
}

/// What the steps lead to; every law was checked on the way.
pub fn run(steps: &[Step]) -> World {
    let writer = || Writer::new(PartitionState::default(), 0);
    let mut world = World {
        writer: writer(),
        twin: writer(),
        replayed: PartitionState::default(),
        model: Model::default(),
        batches: Vec::new(),
        acknowledged: Vec::new(),
        originals: HashMap::new(),
        holds: Vec::new(),
        now_ms: NOON_MS,
        next: 0,
        available: HashMap::new(),
        refused: HashMap::new(),
        done: HashMap::new(),
    };
    (0..chart().len() - 1).for_each(|index| world.open(index));
    for step in steps {
        world.step(step);
        world.check(step);
    }
    world.cut(true);
    world
}

impl World {
    fn request(&self, elsewhere: bool, tipper: bool) -> Request {
        let roles: &[String] = if tipper { &["tipper".to_owned()] } else { &[] };
        let tenant = if elsewhere { other_tenant() } else { tenant() };
        Request { tenant, at_ms: self.now_ms, roles: roles.into(), ..a_request() }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Open(index) => self.open(*index),
            Step::Do { wish, by_ms, elsewhere, tipper } => {
                self.now_ms += by_ms;
                self.next += 1;
                let command = self.command(operation(self.next), wish);
                self.execute(&self.request(*elsewhere, *tipper), &command);
            }
            Step::Repeat(nth) => {
                if let Some((request, command)) = nth_of(&self.acknowledged, *nth).cloned() {
                    assert!(
                        self.both(|writer, now| writer.execute(&request, &command, now)).unwrap().repeated
                    );
                }
            }
            Step::Reuse(nth, wish) => {
                let Some((request, before)) = nth_of(&self.acknowledged, *nth).cloned() else { return };
                let command = Command { note: before.note.clone(), ..self.command(before.operation, wish) };
                if command.verb != before.verb {
                    let refused = self.both(|writer, now| writer.execute(&request, &command, now));
                    let refused = refused.unwrap_err();
                    assert_eq!(refused.rejection().unwrap().code(), "operation_id_reused");
                }
            }
            Step::Tick { by_ms, limit } => {
                self.now_ms += by_ms;
                self.tick(*limit);
            }
            Step::Cut { reload } => self.cut(*reload),
        }
    }

    /// Both writers must say the same.
    fn both<T: PartialEq + std::fmt::Debug>(&mut self, mut call: impl FnMut(&mut Writer, i64) -> T) -> T {
        let now = self.now_ms;
        let (one, other) = (call(&mut self.writer, now), call(&mut self.twin, now));
        assert_eq!(one, other, "a writer that was reloaded says something else");
        one
    }

    fn open(&mut self, index: usize) {
        let (tenant, terms) = chart()[index];
        let request = Request { tenant, ..self.request(false, false) };
        self.both(|writer, now| writer.open_account(&request, &OpenAccount { terms }, now)).unwrap();
        self.model.open(tenant, terms);
    }

    fn command(&mut self, operation: OperationId, wish: &Wish) -> Command {
        let hold = |nth: usize| self.nth_hold(nth, false);
        let verb = match wish {
            Wish::Verb(verb) => self.with_expiry(verb.clone()),
            Wish::Capture { nth, amount, release_rest } => {
                Verb::Capture(Capture { hold: hold(*nth), amount: *amount, release_rest: *release_rest })
            }
            Wish::Release { nth, amount } => Verb::Release(Release { hold: hold(*nth), amount: *amount }),
            Wish::Settle { nth, quantity } => {
                Verb::SettleUsage(SettleUsage { hold: self.nth_hold(*nth, true), quantity: *quantity })
            }
            Wish::Reverse { nth, parts } => {
                let Some(original) = self.nth_original(*nth) else {
                    return Command::post(operation, [], "nothing to reverse", "");
                };
                Verb::Reverse(Box::new(Reverse { original, parts: parts.iter().copied().collect() }))
            }
        };
        Command::new(operation, verb, "law", "")
    }

    /// Mostly one that has not ended.
    fn nth_hold(&self, nth: usize, for_usage: bool) -> OperationId {
        let of_sort = self.model.holds.iter().filter(|(_, hold)| hold.usage.is_some() == for_usage);
        let live: Vec<_> = of_sort.map(|(id, _)| *id).collect();
        let found = if nth.is_multiple_of(8) { nth_of(&self.holds, nth / 8) } else { nth_of(&live, nth / 8) };
        found.copied().unwrap_or(OperationId::derived(&["unknown"]))
    }

    /// Expiry is counted from now on, and no two times are equal, so that nothing hangs on the order
    /// among equals.
    fn with_expiry(&self, mut verb: Verb) -> Verb {
        let number = i64::try_from(self.next % 1_000).unwrap();
        let set = |at_ms: &mut Option<i64>| {
            *at_ms = at_ms.map(|after| (self.now_ms + after) / 1_000 * 1_000 + number);
        };
        match &mut verb {
            Verb::Hold(hold) => set(&mut hold.expires_at_ms),
            Verb::Grant(grant) => set(&mut grant.terms.expires_at_ms),
            Verb::ReserveUsage(usage) => set(&mut usage.expires_at_ms),
            _ => {}
        }
        verb
    }

    /// The journal knows what has been cut only.
    fn nth_original(&mut self, nth: usize) -> Option<Original> {
        self.cut(false);
        let (_, command) = nth_of(&self.acknowledged, nth)?;
        self.originals.get(&command.operation).cloned()
    }

    fn execute(&mut self, request: &Request, command: &Command) {
        match self.both(|writer, now| writer.execute(request, command, now)) {
            Ok(Answer { repeated: false, .. }) => {
                self.model.acknowledge(request, command);
                if matches!(command.verb, Verb::Hold(_) | Verb::ReserveUsage(_)) {
                    self.holds.push(command.operation);
                }
                *self.done.entry(name(&command.verb)).or_default() += 1;
                self.acknowledged.push((request.clone(), command.clone()));
            }
            Ok(_) => panic!("{command:?} was never sent before"),
            Err(Refused::Rejected(rejection)) => *self.refused.entry(rejection.code()).or_default() += 1,
            Err(Refused::Broken(broken)) => panic!("{broken} by {command:?}"),
        }
    }

    fn tick(&mut self, limit: usize) {
        for elsewhere in [false, true] {
            let request = self.request(elsewhere, false);
            let before = self.writer.next_due().find(|(tenant, _)| *tenant == request.tenant);
            let expired = self.both(|writer, now| writer.expire_due(&request, limit, now)).unwrap();
            if limit == 1_000 {
                assert_eq!(expired, self.model.expire(request.tenant, request.at_ms));
                *self.done.entry("expire").or_default() += expired;
            } else if expired > 0 {
                // The auditor cannot say which were first: it goes on when all are through.
                while self.both(|writer, now| writer.expire_due(&request, 1_000, now)).unwrap() > 0 {}
                while self.model.expire(request.tenant, request.at_ms) > 0 {}
            }
            assert!(expired == 0 || before.is_some_and(|(_, due_ms)| due_ms <= request.at_ms));
        }
    }

    fn cut(&mut self, reload: bool) {
        let (cut, again) = (self.writer.cut(), self.twin.cut());
        assert_eq!(cut, again, "a writer that was reloaded writes something else");
        let Some((sequence, batch)) = cut else { return };
        let stored = Batch::from_payload(&batch.to_payload()).unwrap();
        assert_eq!(stored, batch);
        self.replayed.apply(sequence, &stored).unwrap();
        let snapshot = encode_snapshot(&self.replayed);
        assert!(snapshot == encode_snapshot(self.writer.state()), "replay differs from live");
        for recorded in batch.recorded() {
            let found = original(recorded, batch.time_of(recorded.operation));
            self.originals.insert(found.operation, found);
        }
        if reload {
            let state = decode_snapshot(snapshot.as_slice()).unwrap();
            assert!(encode_snapshot(&state) == snapshot, "a snapshot loses something");
            self.twin = Writer::new(state, 0);
        }
        self.batches.push((sequence, batch));
    }

    fn check(&mut self, step: &Step) {
        let state = self.writer.state();
        assert!(state.sums().values().all(|sum| *sum == 0), "{step:?}: {:?}", state.sums());
        for account in self.model.accounts.values() {
            check_account(state, account, step);
            let available =
                i128::from(account.balance) - i128::from(account.held) + i128::from(account.overdraft);
            let before = self.available.insert(account.terms.account, available).unwrap_or_default();
            let is_covered = account.terms.kind != AccountKind::Customer || available >= before.min(0);
            assert!(is_covered || lowers_overdraft(step), "{step:?}: {available} after {before}");
        }
        let mut held = HashMap::<AccountId, i64>::new();
        for (id, hold) in &self.model.holds {
            let found = state.hold(tenant(), *id).or_else(|| state.hold(other_tenant(), *id));
            assert_eq!(found.map(|found| found.left), Some(hold.left), "{step:?}");
            *held.entry(hold.account).or_default() += hold.left;
        }
        assert!(self.holds.iter().all(|id| self.model.holds.contains_key(id) == is_held(state, *id)));
        assert!(
            self.model
                .accounts
                .iter()
                .all(|(id, account)| account.held == held.get(id).copied().unwrap_or_default())
        );
        self.check_usage();
    }

    fn check_usage(&self) {
        let state = self.writer.state();
        for ((account, meter), (period, used, reserved)) in &self.model.usage {
            let model = &self.model.accounts[account];
            let number = state.account(model.tenant, *account).unwrap().number;
            let at_ms = if *period == 0 { 0 } else { period * 24 * 3_600 * 1_000 };
            let mut views = state.usage_of(model.tenant, number, at_ms);
            let view = views.find(|view| view.meter.name == *meter).unwrap();
            let is_counting = Model::period(&view.meter, at_ms) == *period;
            let expected = if is_counting { *used } else { view.used };
            assert_eq!((view.used, view.reserved), (expected, *reserved), "{meter}");
        }
    }
}

fn is_held(state: &PartitionState, id: OperationId) -> bool {
    state.hold(tenant(), id).is_some() || state.hold(other_tenant(), id).is_some()
}

fn check_account(state: &PartitionState, account: &Account, step: &Step) {
    let found = state.account(account.tenant, account.terms.account).unwrap();
    let expected = (account.balance, account.held, account.overdraft);
    assert_eq!((found.balance, found.held, found.overdraft), expected, "{step:?}: {account:?}");
    let lots: Vec<_> = state.lots_of(found.number).collect();
    let as_found: Vec<_> = lots.iter().map(|lot| (lot.granted, lot.free, lot.held, &lot.terms)).collect();
    let as_audited: Vec<_> =
        account.lots.iter().map(|lot| (lot.granted, lot.free, lot.held, &lot.terms)).collect();
    assert_eq!(as_found, as_audited, "{step:?}");
    assert!(lots.is_sorted_by_key(|lot| (lot.terms.priority, lot.terms.expires_at_ms.unwrap_or(i64::MAX))));
    let free: i64 = lots.iter().map(|lot| lot.free).sum();
    assert!(free <= (found.balance - found.held).max(0), "{step:?}: {found:?} {lots:?}");
    assert!(lots.iter().all(|lot| lot.free >= 0 && lot.held >= 0 && lot.free + lot.held > 0));
    assert!(lots.iter().map(|lot| lot.held).sum::<i64>() <= found.held);
}

fn lowers_overdraft(step: &Step) -> bool {
    match step {
        Step::Do { wish: Wish::Verb(Verb::ChangeAccount(change)), .. } => {
            matches!(change.change, AccountChange::Overdraft(_))
        }
        _ => false,
    }
}

fn nth_of<T>(all: &[T], nth: usize) -> Option<&T> {
    // Late ones are chosen more often: they are the ones that something can be done with.
    let back = (nth % 64).min(nth / 64 % 64);
    all.len().checked_sub(1)?.checked_sub(back % all.len()).and_then(|index| all.get(index))
}

fn name(verb: &Verb) -> &'static str {
    match verb {
        Verb::Post(_) => "post",
        Verb::Hold(_) => "hold",
        Verb::Capture(_) => "capture",
        Verb::Release(_) => "release",
        Verb::Reverse(_) => "reverse",
        Verb::Convert(_) => "convert",
        Verb::Grant(_) => "grant",
        Verb::Transfer(_) => "transfer",
        Verb::ChangeAccount(_) => "change_account",
        Verb::SetLimits(_) => "set_limits",
        Verb::PutMeter(_) => "put_meter",
        Verb::ReserveUsage(_) => "reserve_usage",
        Verb::SettleUsage(_) => "settle_usage",
        Verb::RecordUsage(_) => "record_usage",
        Verb::Expire(_) => "expire",
    }
}
