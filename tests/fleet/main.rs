//! Flows of the whole product, over HTTP against a real fleet on real PostgreSQL and NATS.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../harness/mod.rs"]
mod harness;

mod abuse;
mod attacks;
mod audit;
mod authority;
mod bad_input;
mod bad_tokens;
mod buy_tokens;
mod commands;
mod fuzz;
mod hooks;
mod idempotency;
mod isolation;
mod ledger;
mod mails;
mod operations;
mod passkeys;
mod purge;
mod reference;
mod second_factors;
mod sign_in_elsewhere;
mod strangers;
mod tenants;
mod trace;
mod webhooks;
