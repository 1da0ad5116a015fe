//! The sandbox over real HTTP, on a real database.
#![allow(clippy::unwrap_used, reason = "a fixture that fails must fail the test")]

mod api;
mod fixtures;
mod page;
mod webhooks;
