//! The auditor's book: what accounts, holds and lots must be after every operation of the journal,
//! from the commands that clients sent. Where the journal alone can know something (which lots an
//! expiry or a roll-over takes from), it is followed and checked for sense.

mod commands;

use std::collections::{BTreeMap, HashMap};

use ids::{AccountId, OperationId, TenantId};
use uuid::Uuid;
use wallet_domain::effect::Change;
use wallet_domain::{AccountKind, Asset, Command, Leg, LimitedVerb, Opening, Outcome, Recorded, Verb};

use super::Check;
use super::question::{Figures, Question, Seen};
use super::rules::{Gives, Rules};

struct Account {
    tenant: TenantId,
    kind: AccountKind,
    asset: Asset,
    figures: Figures,
}

struct Hold {
    leg: Leg,
    left: i64,
    expires_at_ms: Option<i64>,
    usage: Option<(String, i64)>,
}

struct Lot {
    account: AccountId,
    free: i64,
    held: i64,
    expires_at_ms: Option<i64>,
    /// When it last changed: what a hold gave back after the expiry cannot have expired before.
    changed_ms: i64,
}

#[derive(Default)]
pub(super) struct Book {
    tenants: Vec<TenantId>,
    numbers: Vec<AccountId>,
    accounts: BTreeMap<AccountId, Account>,
    holds: HashMap<OperationId, Hold>,
    lots: BTreeMap<Uuid, Lot>,
    /// Legs of operations, and how much of each was undone.
    log: HashMap<OperationId, Vec<(Leg, i64)>>,
    pub(super) recorded: HashMap<(TenantId, OperationId), u64>,
    rules: Rules,
    last_ms: HashMap<TenantId, i64>,
}

/// An operation of the journal, with the command and the roles of who sent it; none for the ledger's own.
pub(super) struct Entry<'a> {
    pub(super) sequence: u64,
    pub(super) at_ms: i64,
    pub(super) recorded: Recorded<'a>,
    pub(super) sent: Option<(&'a Command, &'a [String])>,
}

fn fail<T>(what: impl Into<String>) -> Result<T, String> {
    Err(what.into())
}

impl Book {
    pub(super) fn open(&mut self, opening: &Opening, asset: &str) -> Check {
        let (tenant, account) =
            (TenantId::from_uuid(opening.tenant()), AccountId::from_uuid(opening.account()));
        if !self.tenants.contains(&tenant) {
            self.tenants.push(tenant);
        }
        let kind = i32::try_from(opening.kind).ok().and_then(|kind| AccountKind::try_from(kind).ok());
        let (Some(kind), Ok(asset)) = (kind, asset.parse()) else { return fail("an odd opening") };
        self.numbers.push(account);
        match self.accounts.insert(account, Account { tenant, kind, asset, figures: Figures::default() }) {
            Some(_) => fail(format!("account {account} was opened twice")),
            None => Ok(()),
        }
    }

    pub(super) fn has(&self, account: AccountId) -> bool {
        self.accounts.contains_key(&account)
    }

    pub(super) fn tenant_of(&self, recorded: Recorded<'_>) -> Option<TenantId> {
        match recorded.operation.tenant.checked_sub(1) {
            Some(number) => self.tenants.get(number as usize).copied(),
            None => {
                let debit = recorded.postings.first()?.debit;
                Some(self.accounts.get(self.numbers.get(debit as usize)?)?.tenant)
            }
        }
    }

    /// Takes an operation; answers what it must have come to.
    pub(super) fn take(&mut self, entry: &Entry<'_>) -> Result<Outcome, String> {
        let Some(tenant) = self.tenant_of(entry.recorded) else { return fail("whose is it?") };
        let operation = OperationId::from_uuid(entry.recorded.operation.id());
        if self.recorded.insert((tenant, operation), entry.sequence).is_some() {
            return fail("it is in the journal twice");
        }
        let last_ms = self.last_ms.entry(tenant).or_insert(i64::MIN);
        if entry.at_ms < *last_ms {
            return fail(format!("its time {} is before {last_ms}", entry.at_ms));
        }
        *last_ms = entry.at_ms;
        let before: Vec<(AccountId, i64)> =
            self.accounts.iter().map(|(id, account)| (*id, available(&account.figures))).collect();
        let mut left = 0;
        let legs = match entry.sent {
            Some((command, roles)) => {
                if command.note.reference != entry.recorded.operation.reference
                    || command.note.metadata != entry.recorded.operation.metadata
                {
                    return fail("its note is not the one that was sent");
                }
                self.obey(tenant, entry, command, roles, &mut left)?
            }
            None => self.expire(tenant, entry)?,
        };
        self.post(&legs, entry.recorded)?;
        self.follow_lots(entry.recorded, entry.at_ms)?;
        let lowers = entry.sent.is_some_and(|(command, _)| matches!(command.verb, Verb::ChangeAccount(_)));
        self.check_accounts(&before, lowers)?;
        let amount = legs.last().map(|leg| leg.amount).unwrap_or_default();
        self.log.insert(operation, legs.into_iter().map(|leg| (leg, 0)).collect());
        Ok(Outcome { amount, left })
    }

    fn account(&self, account: AccountId) -> Result<&Account, String> {
        self.accounts.get(&account).ok_or_else(|| format!("account {account} is not open"))
    }

    fn account_mut(&mut self, account: AccountId) -> Result<&mut Account, String> {
        self.accounts.get_mut(&account).ok_or_else(|| format!("account {account} is not open"))
    }

    fn hold(&self, hold: OperationId) -> Result<&Hold, String> {
        self.holds.get(&hold).ok_or_else(|| format!("there is no hold {hold}"))
    }

    fn give(
        &mut self,
        account: AccountId,
        amount: i64,
        (verb, roles, at_ms): (LimitedVerb, &[String], i64),
    ) -> Check {
        let Account { tenant, kind, asset, figures } = self.account(account)?;
        let (tenant, asset) = (*tenant, *asset);
        if figures.status != 0 && amount > 0 {
            return fail(format!("account {account} is frozen or closed and gives"));
        }
        if *kind != AccountKind::Customer {
            return Ok(());
        }
        self.rules.give(&Gives { tenant, account, asset, verb, amount, roles, at_ms })
    }

    /// Moves the units; the journal must say the same.
    fn post(&mut self, legs: &[Leg], recorded: Recorded<'_>) -> Check {
        if legs.len() != recorded.postings.len() {
            return fail(format!("{legs:?} became {:?}", recorded.postings));
        }
        for (leg, posting) in legs.iter().zip(recorded.postings) {
            let debit = &mut self.account_mut(leg.debit)?.figures;
            debit.balance -= leg.amount;
            let debit_after = debit.balance;
            let credit = &mut self.account_mut(leg.credit)?.figures;
            credit.balance += leg.amount;
            let mine = (Some(leg.debit), Some(leg.credit), leg.amount, debit_after, credit.balance);
            let numbered = |number: u32| self.numbers.get(number as usize).copied();
            let (debit, credit) = (numbered(posting.debit), numbered(posting.credit));
            let found = (debit, credit, posting.amount, posting.debit_after, posting.credit_after);
            if mine != found {
                return fail(format!("{mine:?} became {found:?}"));
            }
        }
        Ok(())
    }

    fn follow_lots(&mut self, recorded: Recorded<'_>, at_ms: i64) -> Check {
        for change in recorded.effects.iter().filter_map(|effect| effect.change.as_ref()) {
            match change {
                Change::LotOpened(opened) => {
                    let Some(account) = self.numbers.get(opened.account as usize).copied() else {
                        return fail("a lot of nobody");
                    };
                    let expires_at_ms = opened.terms.as_ref().and_then(|terms| terms.expires_at_ms);
                    let lot = Lot { account, free: opened.amount, held: 0, expires_at_ms, changed_ms: at_ms };
                    if self.lots.insert(opened.id(), lot).is_some() {
                        return fail("a lot was opened twice");
                    }
                }
                Change::LotJoined(joined) => {
                    let Some(lot) = self.lots.get_mut(&joined.id()) else {
                        return fail("units joined an unknown lot");
                    };
                    let owner = self.numbers.get(joined.account as usize);
                    if (lot.free + joined.amount, lot.held) != (joined.free, joined.held)
                        || joined.amount <= 0
                    {
                        return fail("a lot was joined by other units than it took");
                    }
                    if owner != Some(&lot.account) {
                        return fail("units joined another account's lot");
                    }
                    (lot.free, lot.changed_ms) = (joined.free, at_ms);
                }
                Change::LotMoved(moved) => {
                    let Some(lot) = self.lots.get_mut(&moved.id()) else {
                        return fail("an unknown lot moved");
                    };
                    if lot.free + lot.held != moved.free + moved.held + moved.left {
                        return fail("a lot gained or lost units");
                    }
                    (lot.free, lot.held, lot.changed_ms) = (moved.free, moved.held, at_ms);
                    if lot.free + lot.held == 0 {
                        self.lots.remove(&moved.id());
                    }
                }
                _ => {}
            }
        }
        let Self { accounts, lots, .. } = self;
        accounts.values_mut().for_each(|account| {
            (account.figures.lots_free, account.figures.lots_held) = (0, 0);
        });
        for lot in lots.values() {
            if let Some(Account { figures, .. }) = accounts.get_mut(&lot.account) {
                figures.lots_free += lot.free;
                figures.lots_held += lot.held;
            }
        }
        Ok(())
    }

    /// What must hold of every account after every operation.
    fn check_accounts(&self, before: &[(AccountId, i64)], lowers: bool) -> Check {
        let mut sums: BTreeMap<(TenantId, Asset), i128> = BTreeMap::new();
        for (id, account) in &self.accounts {
            let figures = &account.figures;
            *sums.entry((account.tenant, account.asset)).or_default() += i128::from(figures.balance);
            if account.kind != AccountKind::Customer {
                continue;
            }
            let earlier = before.iter().find(|(of, _)| of == id).map_or(0, |(_, available)| *available);
            if available(figures) < earlier.min(0) && !lowers {
                return fail(format!("account {id} gave more than it has: {figures:?}"));
            }
            let spendable = (figures.balance - figures.held).max(0);
            if figures.lots_free > spendable || figures.lots_held > figures.held || figures.held < 0 {
                return fail(format!("account {id} has more in lots than it can spend: {figures:?}"));
            }
        }
        match sums.iter().find(|(_, sum)| **sum != 0) {
            Some(((_, asset), sum)) => fail(format!("{asset} sums up to {sum}")),
            None => Ok(()),
        }
    }

    /// A hold or a lot that should have expired by then.
    pub(super) fn overdue(&self, at_ms: i64) -> Option<String> {
        let is_due = |expires_at_ms: Option<i64>| expires_at_ms.is_some_and(|due| due <= at_ms);
        let hold = self.holds.iter().find(|(_, hold)| hold.left > 0 && is_due(hold.expires_at_ms));
        let lot = self
            .lots
            .iter()
            .find(|(_, lot)| lot.free > 0 && lot.changed_ms <= at_ms && is_due(lot.expires_at_ms));
        let hold = hold.map(|(id, hold)| format!("hold {id} of {} is overdue at {at_ms}", hold.left));
        hold.or_else(|| lot.map(|(id, lot)| format!("lot {id} with {} is overdue at {at_ms}", lot.free)))
    }

    /// What a question must be answered with now.
    pub(super) fn see(&self, question: Question) -> Seen {
        match question {
            Question::Account(tenant, account) => {
                let figures = self.accounts.get(&account).map(|found| found.figures.clone());
                let usage = self.rules.usage_of(tenant, account);
                Seen::Account(Figures { usage, ..figures.unwrap_or_default() })
            }
            Question::Available(_, account) => {
                let found = self.accounts.get(&account);
                Seen::Available(found.map(|found| available(&found.figures)).unwrap_or_default())
            }
            Question::Hold(_, hold) => Seen::Hold(self.holds.get(&hold).map(|hold| hold.left)),
            Question::Operation(tenant, operation) => {
                Seen::Operation(self.recorded.get(&(tenant, operation)).copied())
            }
            Question::Trial(tenant) => {
                let mut lines: BTreeMap<(String, u8), (i128, i128)> = BTreeMap::new();
                for account in self.accounts.values().filter(|account| account.tenant == tenant) {
                    let line = lines.entry((account.asset.to_string(), account.kind as u8)).or_default();
                    line.0 += i128::from(account.figures.balance);
                    line.1 += i128::from(account.figures.held);
                }
                Seen::trial(
                    lines
                        .into_iter()
                        .map(|((asset, kind), (posted, held))| (asset, kind, posted, held))
                        .collect(),
                )
            }
        }
    }
}

fn available(figures: &Figures) -> i64 {
    figures.balance.saturating_sub(figures.held).saturating_add(figures.overdraft)
}
