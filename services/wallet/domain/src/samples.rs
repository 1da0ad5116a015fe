//! Named examples for tests of this crate and of the service: one tenant, some users, one issuance.

use std::sync::Arc;

use ids::{AccountId, OperationId, TenantId, UserId};
use smallvec::smallvec;

use crate::{
    AccountKind, AccountTerms, Asset, Batch, Leg, OpenAccount, Origin, PartitionState, Post, Request, Writer,
    customer_account, system_account,
};

/// 2026-11-23T12:00:00Z.
pub const NOON_MS: i64 = 1_795_435_200_000;

/// A tenant.
#[must_use]
pub fn tenant() -> TenantId {
    TenantId::derived(&["sample"])
}

/// The user with this number.
#[must_use]
pub fn user(number: u32) -> UserId {
    UserId::derived(&["sample", &number.to_string()])
}

/// The token account of the user with this number.
#[must_use]
pub fn customer(number: u32) -> AccountId {
    customer_account(tenant(), user(number), Asset::TOKEN)
}

/// The tenant's token issuance.
#[must_use]
pub fn issuance() -> AccountId {
    system_account(tenant(), AccountKind::Issuance, Asset::TOKEN)
}

/// Terms of [`customer`].
#[must_use]
pub fn a_customer(number: u32) -> AccountTerms {
    AccountTerms::customer(tenant(), user(number), Asset::TOKEN)
}

/// Terms of [`issuance`].
#[must_use]
pub fn an_issuance() -> AccountTerms {
    AccountTerms::system(tenant(), AccountKind::Issuance, Asset::TOKEN)
}

/// A customer account that keeps something else than tokens.
#[must_use]
pub fn an_account_in_euro(number: u32) -> AccountTerms {
    let euro = "EUR".parse().unwrap_or(Asset::TOKEN);
    AccountTerms::customer(tenant(), user(number), euro)
}

/// A request at noon.
#[must_use]
pub fn a_request() -> Request {
    let origin =
        Origin { actor: "service:invoicing".to_owned(), correlation: vec![7; 16], ..Origin::default() };
    Request { tenant: tenant(), at_ms: NOON_MS, origin: Arc::new(origin) }
}

/// An operation with one leg; the number makes its id.
#[must_use]
pub fn a_post(number: u32, debit: AccountId, credit: AccountId, amount: i64) -> Post {
    Post {
        operation: OperationId::derived(&["sample", &number.to_string()]),
        legs: smallvec![Leg { debit, credit, amount }],
        reason: "purchase".into(),
        reference: format!("invoice/{number}"),
    }
}

/// A batch that opens issuance and one customer, issues 100 and takes 30 back.
#[must_use]
pub fn a_batch() -> Batch {
    let mut writer = Writer::new(PartitionState::default(), 0);
    let request = a_request();
    for terms in [an_issuance(), a_customer(1)] {
        let opened = writer.open_account(&request, &OpenAccount { terms }, NOON_MS);
        debug_assert!(opened.is_ok());
    }
    for post in [a_post(1, issuance(), customer(1), 100), a_post(2, customer(1), issuance(), 30)] {
        let posted = writer.post(&request, &post, NOON_MS);
        debug_assert!(posted.is_ok());
    }
    writer.cut().map(|(_, batch)| batch).unwrap_or_default()
}
