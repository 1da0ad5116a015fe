//! The product while its parts are killed: afterwards every customer is credited exactly once and
//! the books sum to zero.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod crashes;
mod ledger_ownership;
mod outages;
mod webhooks;
