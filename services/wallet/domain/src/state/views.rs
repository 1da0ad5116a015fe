//! What may be read from the state.

use ids::{AccountId, OperationId, TenantId, UserId};
use uuid::Uuid;

use super::{Account, Hold, Lot, PartitionState};
use crate::{
    AccountKind, AccountStatus, AccountTerms, Alerts, Asset, LimitRule, LotTerms, Meter, customer_account,
};

/// An account and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountView {
    /// Its number in the partition.
    pub number: u32,
    /// Whose ledger.
    pub tenant: TenantId,
    /// What was agreed.
    pub terms: AccountTerms,
    /// Sum of all entries.
    pub balance: i64,
    /// Part of it that is set aside.
    pub held: i64,
    /// How far below zero it may go.
    pub overdraft: i64,
    /// What it allows.
    pub status: AccountStatus,
    /// When it says that little is left.
    pub alerts: Alerts,
}

/// A lot with units left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotView {
    /// The lot.
    pub id: Uuid,
    /// Units it began with.
    pub granted: i64,
    /// Units that can be spent.
    pub free: i64,
    /// Units that are set aside.
    pub held: i64,
    /// On which terms.
    pub terms: LotTerms,
}

/// A hold that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldView {
    /// The hold.
    pub id: OperationId,
    /// What is left of it.
    pub left: i64,
    /// When it ends by itself.
    pub expires_at_ms: Option<i64>,
}

/// Use of a meter by an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageView {
    /// The meter.
    pub meter: Meter,
    /// When the period began.
    pub period_start_ms: i64,
    /// Units used in it.
    pub used: i64,
    /// Units reserved and not settled.
    pub reserved: i64,
}

/// All accounts of one asset and kind together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialLine {
    /// What they count.
    pub asset: Asset,
    /// What they are for.
    pub kind: AccountKind,
    /// How many there are.
    pub accounts: i64,
    /// Sum of their balances.
    pub posted: i128,
    /// Sum of what is set aside.
    pub held: i128,
}

impl AccountView {
    /// What it can give.
    #[must_use]
    pub const fn available(&self) -> i64 {
        self.balance.saturating_sub(self.held).saturating_add(self.overdraft)
    }
}

impl PartitionState {
    /// An account of this tenant.
    #[must_use]
    pub fn account(&self, tenant: TenantId, account: AccountId) -> Option<AccountView> {
        let number = self.accounts.find(self.tenants.find(&tenant)?, account)?;
        self.account_numbered(number)
    }

    /// The account with this number.
    #[must_use]
    pub fn account_numbered(&self, number: u32) -> Option<AccountView> {
        let row = self.accounts.get(number)?;
        Some(AccountView {
            number,
            tenant: *self.tenants.get(row.tenant)?,
            terms: self.terms_of(row)?,
            balance: row.balance,
            held: row.held,
            overdraft: row.overdraft,
            status: row.status,
            alerts: self.counters.watches.get(&number).map(|watch| watch.alerts).unwrap_or_default(),
        })
    }

    fn terms_of(&self, row: &Account) -> Option<AccountTerms> {
        let asset = *self.assets.get(u32::from(row.asset))?;
        Some(AccountTerms { account: row.id(), kind: row.kind, asset, owner: row.owner() })
    }

    /// All accounts, in the order in which they were opened.
    pub fn accounts(&self) -> impl Iterator<Item = AccountView> {
        (0..).map_while(|number| self.account_numbered(number))
    }

    /// What the accounts of the partition count.
    pub fn assets(&self) -> impl Iterator<Item = Asset> {
        self.assets.iter().copied()
    }

    /// A user's own accounts, one per asset.
    pub fn accounts_of(&self, tenant: TenantId, user: UserId) -> impl Iterator<Item = AccountView> {
        self.assets
            .iter()
            .filter_map(move |asset| self.account(tenant, customer_account(tenant, user, *asset)))
    }

    /// The lots of an account in the order in which they are spent.
    pub fn lots_of(&self, account: u32) -> impl Iterator<Item = LotView> {
        let first = self.accounts.get(account).map_or(super::NONE, |row| row.first_lot);
        self.lots.from(first).map(|(_, lot)| self.view_lot(lot))
    }

    fn view_lot(&self, lot: &Lot) -> LotView {
        LotView {
            id: Uuid::from_u64_pair(lot.id.0, lot.id.1),
            granted: lot.granted,
            free: lot.free,
            held: lot.held,
            terms: self.lots.terms(lot),
        }
    }

    /// A hold that has not ended.
    #[must_use]
    pub fn hold(&self, tenant: TenantId, hold: OperationId) -> Option<HoldView> {
        let (_, row) = self.holds.find(self.tenants.find(&tenant)?, hold)?;
        Some(view_hold(row))
    }

    /// How much of every leg of an operation was undone; empty when nothing was.
    #[must_use]
    pub fn undone(&self, tenant: TenantId, operation: OperationId) -> Vec<i64> {
        let key = self.tenants.find(&tenant).map(|tenant| (tenant, operation.as_uuid().as_u64_pair()));
        key.and_then(|key| self.counters.undone.get(&key))
            .map(|undone| undone.legs.to_vec())
            .unwrap_or_default()
    }

    /// The limits of a tenant.
    #[must_use]
    pub fn limits(&self, tenant: TenantId) -> &[LimitRule] {
        let books = self.tenants.find(&tenant).and_then(|tenant| self.books(tenant));
        books.map_or(&[], |books| &*books.limits)
    }

    /// The meters of a tenant.
    #[must_use]
    pub fn meters(&self, tenant: TenantId) -> &[Meter] {
        let books = self.tenants.find(&tenant).and_then(|tenant| self.books(tenant));
        books.map_or(&[], |books| &*books.meters)
    }

    /// Use of every meter by an account, at a time of the tenant.
    pub fn usage_of(&self, tenant: TenantId, account: u32, at_ms: i64) -> impl Iterator<Item = UsageView> {
        self.meters(tenant).iter().map(move |meter| {
            let period_start_ms = meter.period.start_ms(at_ms);
            let usage = self.counters.usage(account, &meter.name, period_start_ms);
            UsageView { meter: meter.clone(), period_start_ms, used: usage.used, reserved: usage.reserved }
        })
    }

    /// A tenant's accounts by asset and kind, in the order of their first account.
    #[must_use]
    pub fn trial_balance(&self, tenant: TenantId) -> Vec<TrialLine> {
        let mut lines: Vec<TrialLine> = Vec::new();
        for view in self.accounts().filter(|view| view.tenant == tenant) {
            let (asset, kind) = (view.terms.asset, view.terms.kind);
            let known = lines.iter().position(|line| (line.asset, line.kind) == (asset, kind));
            let place = known.unwrap_or_else(|| {
                lines.push(TrialLine { asset, kind, accounts: 0, posted: 0, held: 0 });
                lines.len().saturating_sub(1)
            });
            if let Some(line) = lines.get_mut(place) {
                line.accounts = line.accounts.saturating_add(1);
                line.posted = line.posted.saturating_add(i128::from(view.balance));
                line.held = line.held.saturating_add(i128::from(view.held));
            }
        }
        lines
    }

    /// Sum of all balances by tenant and asset: zero each, always.
    #[must_use]
    pub fn sums(&self) -> std::collections::HashMap<(TenantId, Asset), i128> {
        let mut sums = std::collections::HashMap::new();
        for view in self.accounts() {
            let sum: &mut i128 = sums.entry((view.tenant, view.terms.asset)).or_default();
            *sum = sum.saturating_add(i128::from(view.balance));
        }
        sums
    }
}

fn view_hold(row: &Hold) -> HoldView {
    let id = OperationId::from_uuid(Uuid::from_u64_pair(row.id.0, row.id.1));
    HoldView { id, left: row.left, expires_at_ms: row.expires_at_ms }
}
