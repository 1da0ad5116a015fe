//! The auditor: balances, holds, lots and use, recomputed from acknowledged commands alone.
//!
//! It knows none of the ledger's tables and shares none of its code: accounts are maps, lots are
//! lists that are sorted when they are spent, prices are added up unit by unit. What it cannot know
//! by itself, it is not told; where it and the ledger disagree, one of them is wrong.

use std::collections::{BTreeMap, HashMap};

use ids::{AccountId, OperationId, TenantId};
use wallet_domain::{
    AccountChange, AccountKind, AccountTerms, Command, Leg, LotTerms, Meter, Part, Period, Request, RollOver,
    Verb, system_account,
};

const DAY_MS: i64 = 24 * 3_600 * 1_000;

#[derive(Debug, Clone)]
pub struct Lot {
    name: u64,
    pub terms: LotTerms,
    pub granted: i64,
    pub free: i64,
    pub held: i64,
}

#[derive(Debug, Clone)]
pub struct Account {
    pub tenant: TenantId,
    pub terms: AccountTerms,
    pub balance: i64,
    pub held: i64,
    pub overdraft: i64,
    pub lots: Vec<Lot>,
}

#[derive(Debug)]
pub struct Hold {
    tenant: TenantId,
    pub account: AccountId,
    credit: AccountId,
    pub left: i64,
    expires_at_ms: Option<i64>,
    /// Name of the lot, none for units outside of lots.
    parts: Vec<(Option<u64>, i64)>,
    pub usage: Option<(String, i64)>,
}

#[derive(Debug)]
struct Moved {
    leg: Leg,
    /// In the order of taking.
    taken: Vec<(LotTerms, i64)>,
    /// Into which lots, in that order.
    given: Vec<(u64, i64)>,
    undone: i64,
}

/// Where the units of a leg come from.
enum From<'a> {
    InOrder,
    TheseFirst(&'a [(u64, i64)]),
    Parts(&'a [(Option<u64>, i64)]),
}

/// Use of a meter: the period's number, used in it, reserved.
pub type Use = (i64, i64, i64);

/// When, holds before lots, and which of the two.
type Due = (i64, u8, Option<OperationId>, Option<(AccountId, u64)>);

#[derive(Debug, Default)]
pub struct Model {
    pub accounts: BTreeMap<AccountId, Account>,
    pub holds: BTreeMap<OperationId, Hold>,
    pub usage: HashMap<(AccountId, String), Use>,
    meters: HashMap<(TenantId, String), Meter>,
    log: HashMap<OperationId, Vec<Moved>>,
    last_ms: HashMap<TenantId, i64>,
    names: u64,
    /// While an operation is done: its legs.
    legs: Vec<Moved>,
}

impl Model {
    pub fn open(&mut self, tenant: TenantId, terms: AccountTerms) {
        let account = Account { tenant, terms, balance: 0, held: 0, overdraft: 0, lots: Vec::new() };
        self.accounts.entry(terms.account).or_insert(account);
    }

    /// What was acknowledged as new.
    pub fn acknowledge(&mut self, request: &Request, command: &Command) {
        let at_ms = self.pass(request.tenant, request.at_ms);
        self.legs = Vec::new();
        let operation = command.operation;
        match &command.verb {
            Verb::Post(legs) => legs.iter().for_each(|leg| self.shift(*leg, From::InOrder)),
            Verb::Transfer(leg) => self.shift(*leg, From::InOrder),
            Verb::Hold(hold) => {
                self.hold(request.tenant, operation, hold.leg, hold.expires_at_ms, None);
            }
            Verb::Capture(capture) => {
                let left = self.holds[&capture.hold].left;
                let amount = capture.amount.unwrap_or(left);
                let released = if capture.release_rest { left - amount } else { 0 };
                self.reduce(capture.hold, amount, released);
                self.forget_if_empty(capture.hold);
            }
            Verb::Release(release) => {
                let amount = release.amount.unwrap_or(self.holds[&release.hold].left);
                self.reduce(release.hold, 0, amount);
                self.forget_if_empty(release.hold);
            }
            Verb::Reverse(reverse) => self.reverse(reverse.original.operation, &reverse.parts),
            Verb::Convert(convert) => {
                let product = i128::from(convert.amount) * i128::from(convert.rate_numerator);
                let result = i64::try_from(product / i128::from(convert.rate_denominator)).unwrap();
                let liquidity = |account: AccountId| {
                    let asset = self.accounts[&account].terms.asset;
                    system_account(request.tenant, AccountKind::Liquidity, asset)
                };
                let (sink, source) = (liquidity(convert.from), liquidity(convert.to));
                self.shift(Leg { debit: convert.from, credit: sink, amount: convert.amount }, From::InOrder);
                self.shift(Leg { debit: source, credit: convert.to, amount: result }, From::InOrder);
            }
            Verb::Grant(grant) => self.grant(request.tenant, grant),
            Verb::ChangeAccount(change) => {
                if let AccountChange::Overdraft(most) = change.change {
                    self.accounts.get_mut(&change.account).unwrap().overdraft = most;
                }
            }
            Verb::SetLimits(_) => {}
            Verb::PutMeter(meter) => {
                self.meters.insert((request.tenant, meter.name.clone()), (**meter).clone());
            }
            Verb::ReserveUsage(usage) => {
                let meter = &self.meters[&(request.tenant, usage.meter.clone())];
                let dearest = meter.tiers.iter().map(|tier| tier.price).max().unwrap();
                let amount = ceil(i128::from(dearest) * i128::from(usage.quantity), meter.per);
                let leg = Leg { debit: usage.account, credit: usage.credit, amount };
                let reserved = Some((usage.meter.clone(), usage.quantity));
                self.hold(request.tenant, operation, leg, usage.expires_at_ms, reserved);
                self.usage.entry((usage.account, usage.meter.clone())).or_default().2 += usage.quantity;
            }
            Verb::SettleUsage(settle) => {
                let hold = &self.holds[&settle.hold];
                let (account, left) = (hold.account, hold.left);
                let meter = hold.usage.clone().unwrap().0;
                let cost = self.used(request.tenant, account, &meter, settle.quantity, at_ms).min(left);
                self.reduce(settle.hold, cost, left - cost);
                self.end(settle.hold);
            }
            Verb::RecordUsage(usage) => {
                let amount = self.used(request.tenant, usage.account, &usage.meter, usage.quantity, at_ms);
                if amount > 0 {
                    let leg = Leg { debit: usage.account, credit: usage.credit, amount };
                    self.shift(leg, From::InOrder);
                }
            }
            Verb::Expire(_) => panic!("only the ledger itself lets things expire"),
        }
        self.log.insert(operation, std::mem::take(&mut self.legs));
    }

    /// What is due at a time expires; answers how much did.
    pub fn expire(&mut self, tenant: TenantId, at_ms: i64) -> usize {
        let mut due: Vec<Due> = Vec::new();
        for (id, hold) in self.holds.iter().filter(|(_, hold)| hold.tenant == tenant) {
            due.extend(hold.expires_at_ms.map(|expires| (expires, 0, Some(*id), None)));
        }
        for (id, account) in self.accounts.iter().filter(|(_, account)| account.tenant == tenant) {
            for lot in account.lots.iter().filter(|lot| lot.free > 0) {
                due.extend(lot.terms.expires_at_ms.map(|expires| (expires, 1, None, Some((*id, lot.name)))));
            }
        }
        due.retain(|(expires, ..)| *expires <= at_ms);
        due.sort_by_key(|(expires, order, ..)| (*expires, *order));
        let mut expired = due.len();
        for (_, _, hold, lot) in due {
            self.pass(tenant, at_ms);
            self.legs = Vec::new();
            if let Some(hold) = hold {
                self.reduce(hold, 0, self.holds[&hold].left);
                self.end(hold);
            }
            if let Some((account, name)) = lot {
                let breakage = self.breakage(tenant, account);
                let free = self.lot(account, name).free;
                if self.accounts[&breakage].balance.checked_add(free).is_none() {
                    expired -= 1;
                    continue;
                }
                let leg = Leg { debit: account, credit: breakage, amount: free };
                self.shift(leg, From::Parts(&[(Some(name), free)]));
            }
        }
        expired
    }

    /// The number of the period that a meter counts in.
    pub fn period(meter: &Meter, at_ms: i64) -> i64 {
        if meter.period == Period::Day { at_ms.div_euclid(DAY_MS) } else { 0 }
    }

    fn pass(&mut self, tenant: TenantId, at_ms: i64) -> i64 {
        let last = self.last_ms.entry(tenant).or_default();
        *last = at_ms.max(*last);
        *last
    }

    fn breakage(&mut self, tenant: TenantId, account: AccountId) -> AccountId {
        let asset = self.accounts[&account].terms.asset;
        let terms = AccountTerms::system(tenant, AccountKind::Breakage, asset);
        self.open(tenant, terms);
        terms.account
    }

    fn lot(&mut self, account: AccountId, name: u64) -> &mut Lot {
        let lots = &mut self.accounts.get_mut(&account).unwrap().lots;
        lots.iter_mut().find(|lot| lot.name == name).unwrap()
    }

    /// Names of lots, none for units outside of them, and how much of each is spent.
    fn in_order(&self, account: AccountId, amount: i64) -> Vec<(Option<u64>, i64)> {
        in_order(&self.accounts[&account], amount)
    }

    fn these_first(&self, leg: Leg, lots: &[(u64, i64)]) -> Vec<(Option<u64>, i64)> {
        let mut left = self.accounts[&leg.debit].clone();
        let (mut parts, mut wanted) = (Vec::new(), leg.amount);
        for (name, most) in lots {
            if let Some(lot) = left.lots.iter_mut().find(|lot| lot.name == *name) {
                let part = lot.free.min(*most).min(wanted);
                (lot.free, wanted, left.balance) = (lot.free - part, wanted - part, left.balance - part);
                parts.push((Some(*name), part));
            }
        }
        parts.extend(in_order(&left, wanted));
        parts.retain(|(_, part)| *part > 0);
        parts
    }

    fn shift(&mut self, leg: Leg, from: From<'_>) {
        let taken = self.take(leg, from);
        let given = self.give(leg, &taken, true);
        self.legs.push(Moved { leg, taken, given, undone: 0 });
    }

    fn take(&mut self, leg: Leg, from: From<'_>) -> Vec<(LotTerms, i64)> {
        let parts = match from {
            From::InOrder => self.in_order(leg.debit, leg.amount),
            From::TheseFirst(lots) => self.these_first(leg, lots),
            From::Parts(parts) => parts.to_vec(),
        };
        let mut taken = Vec::new();
        for (name, amount) in parts {
            if let Some(name) = name {
                let lot = self.lot(leg.debit, name);
                lot.free -= amount;
                taken.push((lot.terms.clone(), amount));
            }
        }
        let account = self.accounts.get_mut(&leg.debit).unwrap();
        account.balance -= leg.amount;
        account.lots.retain(|lot| lot.free + lot.held > 0);
        taken
    }

    /// Lots come with the units, and join those on the same terms unless a grant brings them; what
    /// the account owed is filled first. Answers into which lots how much came.
    fn give(&mut self, leg: Leg, lots: &[(LotTerms, i64)], join: bool) -> Vec<(u64, i64)> {
        let account = self.accounts.get_mut(&leg.credit).unwrap();
        let mut owed = account.held.saturating_sub(account.balance).max(0);
        account.balance += leg.amount;
        let mut given = Vec::new();
        if account.terms.kind != AccountKind::Customer {
            return given;
        }
        for (terms, amount) in lots {
            let filled = owed.min(*amount);
            owed -= filled;
            let amount = amount - filled;
            if amount == 0 {
                continue;
            }
            if let Some(lot) = account.lots.iter_mut().find(|lot| join && lot.terms == *terms) {
                lot.free += amount;
                given.push((lot.name, amount));
                continue;
            }
            self.names += 1;
            let (name, terms) = (self.names, terms.clone());
            account.lots.push(Lot { name, terms, granted: amount, free: amount, held: 0 });
            account.lots.sort_by_key(|lot| (lot.terms.priority, lot.terms.expires_at_ms.unwrap_or(i64::MAX)));
            given.push((name, amount));
        }
        given
    }

    fn hold(
        &mut self,
        tenant: TenantId,
        operation: OperationId,
        leg: Leg,
        expires_at_ms: Option<i64>,
        usage: Option<(String, i64)>,
    ) {
        let parts = self.in_order(leg.debit, leg.amount);
        for (name, amount) in &parts {
            if let Some(name) = name {
                let lot = self.lot(leg.debit, *name);
                (lot.free, lot.held) = (lot.free - amount, lot.held + amount);
            }
        }
        self.accounts.get_mut(&leg.debit).unwrap().held += leg.amount;
        let (account, credit, left) = (leg.debit, leg.credit, leg.amount);
        self.holds.insert(operation, Hold { tenant, account, credit, left, expires_at_ms, parts, usage });
    }

    /// Captures from the front of a hold, releases from its back.
    fn reduce(&mut self, id: OperationId, captured: i64, released: i64) {
        let hold = self.holds.get_mut(&id).unwrap();
        hold.left -= captured + released;
        let front = split(&mut hold.parts, captured);
        hold.parts.reverse();
        let back = split(&mut hold.parts, released);
        hold.parts.reverse();
        let (debit, credit) = (hold.account, hold.credit);
        self.accounts.get_mut(&debit).unwrap().held -= captured + released;
        for (name, amount) in front.iter().filter_map(|(name, amount)| Some(((*name)?, *amount))) {
            let lot = self.lot(debit, name);
            (lot.free, lot.held) = (lot.free + amount, lot.held - amount);
        }
        if captured > 0 {
            self.shift(Leg { debit, credit, amount: captured }, From::Parts(&front));
        }
        for (name, amount) in back.into_iter().filter_map(|(name, amount)| Some((name?, amount))) {
            let account = self.accounts.get_mut(&debit).unwrap();
            let free: i64 = account.lots.iter().map(|lot| lot.free).sum();
            let kept = amount.min(((account.balance - account.held).max(0) - free).max(0));
            let lot = self.lot(debit, name);
            (lot.free, lot.held) = (lot.free + kept, lot.held - amount);
            self.accounts.get_mut(&debit).unwrap().lots.retain(|lot| lot.free + lot.held > 0);
        }
    }

    fn forget_if_empty(&mut self, id: OperationId) {
        if self.holds[&id].left == 0 {
            self.end(id);
        }
    }

    fn end(&mut self, id: OperationId) {
        let hold = self.holds.remove(&id).unwrap();
        if let Some((meter, quantity)) = hold.usage {
            self.usage.get_mut(&(hold.account, meter)).unwrap().2 -= quantity;
        }
    }

    fn reverse(&mut self, original: OperationId, parts: &[Part]) {
        let mut legs = self.log.remove(&original).unwrap();
        for (index, moved) in legs.iter_mut().enumerate() {
            let asked = parts.iter().filter(|part| part.leg as usize == index).map(|part| part.amount).sum();
            let amount = if parts.is_empty() { moved.leg.amount - moved.undone } else { asked };
            if amount == 0 {
                continue;
            }
            let in_lots: i64 = moved.taken.iter().map(|(_, units)| units).sum();
            let mut back = vec![(None, (moved.leg.amount - in_lots).max(0))];
            back.extend(moved.taken.iter().rev().map(|(terms, units)| (Some(terms.clone()), *units)));
            split(&mut back, moved.undone);
            let lots: Vec<_> = split(&mut back, amount)
                .into_iter()
                .filter_map(|(terms, units)| Some((terms?, units)))
                .collect();
            let leg = Leg { debit: moved.leg.credit, credit: moved.leg.debit, amount };
            let mut given = moved.given.clone();
            given.reverse();
            split(&mut given, moved.undone);
            let taken = self.take(leg, From::TheseFirst(&split(&mut given, amount)));
            let given = self.give(leg, &lots, true);
            self.legs.push(Moved { leg, taken, given, undone: 0 });
            moved.undone += amount;
        }
        self.log.insert(original, legs);
    }

    fn grant(&mut self, tenant: TenantId, grant: &wallet_domain::Grant) {
        let (leg, terms) = (grant.leg, &grant.terms);
        let mut carried = 0;
        if terms.series != 0 && grant.roll_over != RollOver::Keep {
            let lots = &self.accounts[&leg.credit].lots;
            let of_series = lots.iter().filter(|lot| lot.terms.series == terms.series && lot.free > 0);
            let of_series: Vec<_> = of_series.map(|lot| (lot.name, lot.free)).collect();
            let left: i64 = of_series.iter().map(|(_, free)| free).sum();
            carried = match grant.roll_over {
                RollOver::None | RollOver::Keep => 0,
                RollOver::All => left,
                RollOver::Capped(most) => left.min(most),
            };
            let mut expiring = left - carried;
            for (name, free) in of_series {
                let gone = free.min(expiring);
                expiring -= gone;
                if gone > 0 {
                    let breakage = self.breakage(tenant, leg.credit);
                    let out = Leg { debit: leg.credit, credit: breakage, amount: gone };
                    self.shift(out, From::Parts(&[(Some(name), gone)]));
                }
                if free > gone {
                    self.lot(leg.credit, name).free -= free - gone;
                    let lots = &mut self.accounts.get_mut(&leg.credit).unwrap().lots;
                    lots.retain(|lot| lot.free + lot.held > 0);
                }
            }
        }
        self.accounts.get_mut(&leg.debit).unwrap().balance -= leg.amount;
        let given = self.give(leg, &[(terms.clone(), leg.amount + carried)], false);
        self.legs.push(Moved { leg, taken: Vec::new(), given, undone: 0 });
    }

    /// Counts a use; answers what it costs.
    fn used(&mut self, tenant: TenantId, account: AccountId, name: &str, quantity: i64, at_ms: i64) -> i64 {
        let meter = &self.meters[&(tenant, name.to_owned())];
        let period = Self::period(meter, at_ms);
        let (counted, used, _) = self.usage.entry((account, name.to_owned())).or_default();
        if *counted != period {
            (*counted, *used) = (period, 0);
        }
        let cost = cost(meter, *used + quantity) - cost(meter, *used);
        *used += quantity;
        cost
    }
}

/// Prices added up unit by unit.
fn cost(meter: &Meter, quantity: i64) -> i64 {
    let price = |unit: i64| {
        let tier = meter.tiers.iter().find(|tier| tier.up_to.is_none_or(|up_to| unit < up_to));
        i128::from(tier.unwrap().price)
    };
    ceil((0..quantity).map(price).sum(), meter.per)
}

fn ceil(total: i128, per: i64) -> i64 {
    let per = i128::from(per);
    i64::try_from(total / per + i128::from(total % per > 0)).unwrap()
}

/// Names of lots, none for units outside of them, and how much of each is spent.
fn in_order(account: &Account, mut amount: i64) -> Vec<(Option<u64>, i64)> {
    let outside = account.balance - account.held - account.lots.iter().map(|lot| lot.free).sum::<i64>();
    let mut sources: Vec<_> = account
        .lots
        .iter()
        .map(|lot| {
            (lot.terms.priority, lot.terms.expires_at_ms.unwrap_or(i64::MAX), Some(lot.name), lot.free)
        })
        .collect();
    sources.push((100, i64::MAX, None, outside.max(0)));
    sources.sort_by_key(|(priority, expires, ..)| (*priority, *expires));
    sources.push((255, i64::MAX, None, i64::MAX));
    let mut parts = Vec::new();
    for (_, _, name, units) in sources {
        let part = units.min(amount);
        amount -= part;
        if part > 0 {
            parts.push((name, part));
        }
    }
    parts
}

/// Cuts so many units from the front.
fn split<T: Clone>(parts: &mut Vec<(T, i64)>, mut amount: i64) -> Vec<(T, i64)> {
    let mut front = Vec::new();
    for (name, units) in parts.iter_mut() {
        let part = (*units).min(amount);
        (*units, amount) = (*units - part, amount - part);
        if part > 0 {
            front.push((name.clone(), part));
        }
    }
    parts.retain(|(_, units)| *units > 0);
    front
}
