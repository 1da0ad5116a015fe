//! The product while its parts are killed: afterwards every customer is credited exactly once and
//! the books sum to zero.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod audit;
mod crashes;
mod edge;
mod ledger_crashes;
mod ledger_cut;
mod ledger_disk;
mod ledger_last_token;
mod ledger_load;
mod ledger_ownership;
mod ledger_proof;
mod outages;
mod telling;
mod webhooks;
