//! The store against a real PostgreSQL, and the twin beside it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod append_new;
mod cancelled;
mod concurrency;
mod conformance;
mod epoch;
mod fixtures;
mod horizon;
mod leadership;
mod operations;
mod template;
mod tenants;
