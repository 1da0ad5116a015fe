//! Balances, holds and lots kept from openings, postings and effects alone.
//!
//! The second opinion beside the domain's state: it shares no code with it, so a bug there does not
//! repeat here. Sums per tenant and asset run along with every posting. Checks are made for what a
//! batch touched, at its end.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use uuid::Uuid;
use wallet_domain::{AccountKind, Batch, Kind, Opening, Posting, Recorded};

use super::finding::Check;

/// What is wrong with a batch, without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) check: Check,
    pub(super) operation: Option<Uuid>,
    pub(super) account: Option<Uuid>,
    pub(super) detail: String,
}

/// An account as the books have it.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) tenant: u32,
    pub(super) asset: u16,
    pub(super) kind: u32,
    pub(super) id: Uuid,
    pub(super) owner: Option<Uuid>,
    pub(super) opened_ms: i64,
    pub(super) balance: i64,
    pub(super) held: i64,
    pub(super) overdraft: i64,
    pub(super) free_in_lots: i64,
    pub(super) held_in_lots: i64,
    /// Its overdraft was lowered below what it owed, and it has not been covered since.
    excused: bool,
    touched: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct OpenHold {
    pub(super) account: u32,
    pub(super) left: i64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct OpenLot {
    pub(super) account: u32,
    pub(super) id: Uuid,
    pub(super) free: i64,
    pub(super) held: i64,
}

/// The books of a partition.
#[derive(Debug, Default)]
pub struct Books {
    pub(super) tenants: Vec<Uuid>,
    tenant_numbers: HashMap<Uuid, u32, RandomState>,
    pub(super) assets: Vec<String>,
    pub(super) accounts: Vec<Account>,
    /// By tenant and asset; what is there is not zero.
    sums: HashMap<(u32, u16), i128, RandomState>,
    pub(super) holds: HashMap<(u32, Uuid), OpenHold, RandomState>,
    pub(super) lots: HashMap<u32, OpenLot, RandomState>,
    touched: Vec<u32>,
}

pub(super) fn flaw(check: Check, detail: impl Into<String>) -> Flaw {
    Flaw { check, operation: None, account: None, detail: detail.into() }
}

impl Flaw {
    pub(super) fn about(self, account: Uuid) -> Self {
        Self { account: Some(account), ..self }
    }

    pub(super) fn by(self, operation: Uuid) -> Self {
        Self { operation: self.operation.or(Some(operation)), ..self }
    }
}

impl Books {
    /// Takes the facts of a batch. Answers the accounts that it touched.
    pub(super) fn take(&mut self, batch: &Batch) -> Result<Vec<u32>, Flaw> {
        self.count_parts(batch)?;
        for opening in &batch.openings {
            self.open(batch, opening)?;
        }
        for recorded in batch.recorded() {
            let id = recorded.operation.id();
            self.operate(recorded).map_err(|flaw| flaw.by(id))?;
        }
        self.close_batch()
    }

    /// Postings and effects that no operation counts would be seen by nobody.
    fn count_parts(&self, batch: &Batch) -> Result<(), Flaw> {
        let sum = |of: fn(&wallet_domain::Operation) -> u32| {
            batch.operations.iter().map(|operation| u64::from(of(operation))).sum::<u64>()
        };
        for (what, counted, there) in [
            ("postings", sum(|operation| operation.postings), batch.postings.len()),
            ("effects", sum(|operation| operation.effects), batch.effects.len()),
        ] {
            if counted != there as u64 {
                let detail = format!("its operations count {counted} {what}, and it has {there}");
                return Err(flaw(Check::Decode, detail));
            }
        }
        Ok(())
    }

    fn open(&mut self, batch: &Batch, opening: &Opening) -> Result<(), Flaw> {
        let id = opening.account();
        let code =
            batch.word(opening.asset).ok_or_else(|| flaw(Check::Decode, "an opening without an asset"))?;
        let known = self.assets.iter().position(|asset| asset == code);
        let asset = known.unwrap_or_else(|| {
            self.assets.push(code.to_owned());
            self.assets.len().saturating_sub(1)
        });
        let tenant = self.tenant_number(opening.tenant());
        self.accounts.push(Account {
            tenant,
            asset: u16::try_from(asset)
                .map_err(|_| flaw(Check::Decode, "more assets than there can be").about(id))?,
            kind: opening.kind,
            id,
            owner: opening.owner(),
            opened_ms: batch.at_ms.saturating_add(opening.at_offset_ms),
            balance: 0,
            held: 0,
            overdraft: 0,
            free_in_lots: 0,
            held_in_lots: 0,
            excused: false,
            touched: false,
        });
        Ok(())
    }

    fn tenant_number(&mut self, tenant: Uuid) -> u32 {
        let next = u32::try_from(self.tenants.len()).unwrap_or(u32::MAX);
        let number = *self.tenant_numbers.entry(tenant).or_insert(next);
        if number == next {
            self.tenants.push(tenant);
        }
        number
    }

    fn operate(&mut self, recorded: Recorded<'_>) -> Result<(), Flaw> {
        let Recorded { operation, postings, effects } = recorded;
        if Kind::numbered(operation.kind).is_none() {
            return Err(flaw(Check::Decode, format!("operation kind {} is unknown", operation.kind)));
        }
        for effect in effects {
            self.change(operation, effect)?;
        }
        postings.iter().try_for_each(|posting| self.post(posting))
    }

    fn post(&mut self, posting: &Posting) -> Result<(), Flaw> {
        let (debit, credit) = (self.account(posting.debit)?.clone(), self.account(posting.credit)?.clone());
        if (debit.tenant, debit.asset) != (credit.tenant, credit.asset) {
            let detail = format!("units went to account {} of another tenant or asset", credit.id);
            return Err(flaw(Check::Conservation, detail).about(debit.id));
        }
        if posting.amount <= 0 || posting.debit == posting.credit {
            let detail = format!("{} units went to account {}", posting.amount, credit.id);
            return Err(flaw(Check::Conservation, detail).about(debit.id));
        }
        self.add(posting.debit, posting.amount.checked_neg(), posting.debit_after)?;
        self.add(posting.credit, Some(posting.amount), posting.credit_after)
    }

    fn add(&mut self, number: u32, amount: Option<i64>, recorded: i64) -> Result<(), Flaw> {
        let row = self.touch(number)?;
        let sum = amount.and_then(|amount| row.balance.checked_add(amount));
        let Some(balance) = sum.filter(|balance| *balance == recorded) else {
            let computed = sum.map_or_else(|| "too much".to_owned(), |sum| sum.to_string());
            let detail = format!("a posting records a balance of {recorded}, its postings sum to {computed}");
            return Err(flaw(Check::Conservation, detail).about(row.id));
        };
        row.balance = balance;
        let key = (row.tenant, row.asset);
        let sum = self.sums.entry(key).or_default();
        *sum = sum.saturating_add(i128::from(amount.unwrap_or_default()));
        if *sum == 0 {
            self.sums.remove(&key);
        }
        Ok(())
    }

    pub(super) fn account(&self, number: u32) -> Result<&Account, Flaw> {
        let missing = || flaw(Check::Decode, format!("account number {number} was never opened"));
        self.accounts.get(number as usize).ok_or_else(missing)
    }

    pub(super) fn touch(&mut self, number: u32) -> Result<&mut Account, Flaw> {
        let missing = || flaw(Check::Decode, format!("account number {number} was never opened"));
        let row = self.accounts.get_mut(number as usize).ok_or_else(missing)?;
        if !row.touched {
            row.touched = true;
            self.touched.push(number);
        }
        Ok(row)
    }

    /// An overdraft that was lowered excuses what is owed beyond it.
    pub(super) fn agree(&mut self, number: u32, overdraft: i64) -> Result<(), Flaw> {
        let row = self.touch(number)?;
        let is_lowered = overdraft < row.overdraft;
        row.overdraft = overdraft;
        row.excused |= is_lowered && row.available() < 0;
        Ok(())
    }

    fn close_batch(&mut self) -> Result<Vec<u32>, Flaw> {
        let touched = std::mem::take(&mut self.touched);
        for number in &touched {
            if let Some(row) = self.accounts.get_mut(*number as usize) {
                row.touched = false;
                row.check()?;
            }
        }
        match self.sums.iter().next() {
            None => Ok(touched),
            Some(((tenant, asset), sum)) => {
                let tenant = self.tenants.get(*tenant as usize).copied().unwrap_or_default();
                let asset = self.assets.get(usize::from(*asset)).cloned().unwrap_or_default();
                let detail = format!("the {asset} balances of tenant {tenant} sum to {sum}");
                Err(flaw(Check::Conservation, detail))
            }
        }
    }
}

impl Account {
    fn available(&self) -> i128 {
        i128::from(self.balance) - i128::from(self.held) + i128::from(self.overdraft)
    }

    fn check(&mut self) -> Result<(), Flaw> {
        let is_customer = self.kind == AccountKind::Customer as u32;
        if self.available() >= 0 {
            self.excused = false;
        } else if is_customer && !self.excused {
            let Self { balance, held, overdraft, .. } = self;
            let detail = format!("a balance of {balance} with {held} held and an overdraft of {overdraft}");
            return Err(flaw(Check::Availability, detail).about(self.id));
        }
        if self.held < 0 {
            return Err(flaw(Check::Holds, format!("{} units are held", self.held)).about(self.id));
        }
        let spendable = i128::from(self.balance) - i128::from(self.held);
        let too_much = i128::from(self.free_in_lots) > spendable.max(0) || self.held_in_lots > self.held;
        if too_much {
            let detail = format!(
                "its lots have {} free and {} held, of a balance of {} with {} held",
                self.free_in_lots, self.held_in_lots, self.balance, self.held
            );
            return Err(flaw(Check::Lots, detail).about(self.id));
        }
        Ok(())
    }
}
