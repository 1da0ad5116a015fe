//! Named examples for tests of this crate and of the service: one tenant, some users, one issuance.

use std::sync::Arc;

use ids::{AccountId, OperationId, TenantId, UserId};
use smallvec::smallvec;

use crate::{
    AccountKind, AccountTerms, Asset, Batch, Capture, Command, Grant, Hold, Leg, LotTerms, OpenAccount,
    Origin, PartitionState, Release, Request, RollOver, Verb, Writer, customer_account, system_account,
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
    Request { tenant: tenant(), at_ms: NOON_MS, origin: Arc::new(origin), roles: Arc::default() }
}

/// The same request, so many milliseconds after noon.
#[must_use]
pub fn a_request_later(milliseconds: i64) -> Request {
    Request { at_ms: NOON_MS.saturating_add(milliseconds), ..a_request() }
}

/// The id of the operation with this number.
#[must_use]
pub fn an_operation(number: u32) -> OperationId {
    OperationId::derived(&["sample", &number.to_string()])
}

/// An operation; the number makes its id.
#[must_use]
pub fn a_command(number: u32, verb: Verb) -> Command {
    Command::new(an_operation(number), verb, "purchase", format!("invoice/{number}"))
}

/// A post with one leg.
#[must_use]
pub fn a_post(number: u32, debit: AccountId, credit: AccountId, amount: i64) -> Command {
    a_command(number, Verb::Post(smallvec![Leg { debit, credit, amount }]))
}

/// Terms of a system account that keeps tokens.
#[must_use]
pub fn a_system(kind: AccountKind) -> AccountTerms {
    AccountTerms::system(tenant(), kind, Asset::TOKEN)
}

/// A grant of tokens from issuance that expires so many milliseconds after noon.
#[must_use]
pub fn a_grant(number: u32, user: u32, amount: i64, expires_after_ms: Option<i64>) -> Command {
    let expires_at_ms = expires_after_ms.map(|after| NOON_MS.saturating_add(after));
    let terms = LotTerms { expires_at_ms, ..LotTerms::lasting("plan") };
    let leg = Leg { debit: issuance(), credit: customer(user), amount };
    a_command(number, Verb::Grant(Box::new(Grant { leg, terms, roll_over: RollOver::Keep })))
}

/// A hold of a user's tokens for revenue.
#[must_use]
pub fn a_hold(number: u32, user: u32, amount: i64, expires_after_ms: Option<i64>) -> Command {
    let leg = Leg { debit: customer(user), credit: a_system(AccountKind::Revenue).account, amount };
    let expires_at_ms = expires_after_ms.map(|after| NOON_MS.saturating_add(after));
    a_command(number, Verb::Hold(Hold { leg, expires_at_ms }))
}

/// A capture of the hold with that number.
#[must_use]
pub fn a_capture(number: u32, hold: u32, amount: Option<i64>, release_rest: bool) -> Command {
    a_command(number, Verb::Capture(Capture { hold: an_operation(hold), amount, release_rest }))
}

/// A release of the hold with that number.
#[must_use]
pub fn a_release(number: u32, hold: u32, amount: Option<i64>) -> Command {
    a_command(number, Verb::Release(Release { hold: an_operation(hold), amount }))
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
        let posted = writer.execute(&request, &post, NOON_MS);
        debug_assert!(posted.is_ok());
    }
    writer.cut().map(|(_, batch)| batch).unwrap_or_default()
}
