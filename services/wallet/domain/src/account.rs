//! The chart of accounts: kinds, terms, and the ids that follow from them.
//!
//! System accounts exist once per tenant and asset and a user's own account once per user and
//! asset, so their ids are derived: nobody needs to look them up or remember them.

use ids::{AccountId, TenantId, UserId};

use crate::Asset;

/// What an account is for. The numbers are those of the contract and of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AccountKind {
    /// Belongs to a user; never below zero, or below its overdraft where one is agreed.
    Customer = 1,
    /// Where units come from: its negative balance is what was ever issued.
    Issuance = 2,
    /// What customers have spent with us.
    Revenue = 3,
    /// What expired unspent.
    Breakage = 4,
    /// Kept for somebody until it is known for whom.
    Escrow = 5,
    /// Where gifts come from.
    Promo = 6,
    /// What is kept for services of ours: fees.
    Fees = 7,
    /// What conversions pass through, on both sides.
    Liquidity = 8,
}

/// A number that is no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no account kind {0}")]
pub struct UnknownKind(pub i32);

impl AccountKind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::Customer,
        Self::Issuance,
        Self::Revenue,
        Self::Breakage,
        Self::Escrow,
        Self::Promo,
        Self::Fees,
        Self::Liquidity,
    ];

    /// The word in derived ids and rejections; stable for ever.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Issuance => "issuance",
            Self::Revenue => "revenue",
            Self::Breakage => "breakage",
            Self::Escrow => "escrow",
            Self::Promo => "promo",
            Self::Fees => "fees",
            Self::Liquidity => "liquidity",
        }
    }

    /// Whether the balance may be negative without an agreed overdraft.
    #[must_use]
    pub const fn may_go_below_zero(self) -> bool {
        !matches!(self, Self::Customer)
    }
}

/// What an account allows. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum AccountStatus {
    /// Everything.
    #[default]
    Open = 0,
    /// Taking, not giving.
    DebitsFrozen = 1,
    /// Nothing, for now.
    Frozen = 2,
    /// Nothing, for good.
    Closed = 3,
}

impl AccountStatus {
    /// The status with this number.
    #[must_use]
    pub fn numbered(number: u32) -> Option<Self> {
        let all = [Self::Open, Self::DebitsFrozen, Self::Frozen, Self::Closed];
        all.get(number as usize).copied()
    }
}

impl TryFrom<i32> for AccountKind {
    type Error = UnknownKind;

    fn try_from(number: i32) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| i32::from(*kind as u8) == number).ok_or(UnknownKind(number))
    }
}

/// What was agreed when an account was opened; never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountTerms {
    /// The account.
    pub account: AccountId,
    /// What it is for.
    pub kind: AccountKind,
    /// What it counts.
    pub asset: Asset,
    /// Whose it is; customer accounts have an owner, system accounts have none.
    pub owner: Option<UserId>,
}

impl AccountTerms {
    /// The system account of this kind and asset.
    #[must_use]
    pub fn system(tenant: TenantId, kind: AccountKind, asset: Asset) -> Self {
        Self { account: system_account(tenant, kind, asset), kind, asset, owner: None }
    }

    /// The account in which a user keeps this asset.
    #[must_use]
    pub fn customer(tenant: TenantId, user: UserId, asset: Asset) -> Self {
        let account = customer_account(tenant, user, asset);
        Self { account, kind: AccountKind::Customer, asset, owner: Some(user) }
    }
}

/// The id of the system account of this kind and asset.
#[must_use]
pub fn system_account(tenant: TenantId, kind: AccountKind, asset: Asset) -> AccountId {
    AccountId::derived(&["ledger-system-account", &tenant.to_string(), kind.name(), asset.code()])
}

/// The id of the account in which a user keeps this asset.
#[must_use]
pub fn customer_account(tenant: TenantId, user: UserId, asset: Asset) -> AccountId {
    AccountId::derived(&["ledger-customer-account", &tenant.to_string(), &user.to_string(), asset.code()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_their_numbers() {
        for kind in AccountKind::ALL {
            assert_eq!(AccountKind::try_from(kind as i32), Ok(kind));
        }
        assert_eq!(AccountKind::try_from(0), Err(UnknownKind(0)));
    }

    #[test]
    fn derived_ids_differ_by_tenant_kind_and_asset() {
        let (tenant, other) = (TenantId::derived(&["a"]), TenantId::derived(&["b"]));
        let issuance = system_account(tenant, AccountKind::Issuance, Asset::TOKEN);
        assert_eq!(issuance, system_account(tenant, AccountKind::Issuance, Asset::TOKEN));
        assert_ne!(issuance, system_account(other, AccountKind::Issuance, Asset::TOKEN));
        assert_ne!(issuance, system_account(tenant, AccountKind::Promo, Asset::TOKEN));
    }
}
