//! Payments on a real database, with the real sandbox over HTTP.
#![allow(clippy::unwrap_used, reason = "a fixture that fails must fail the test")]

mod creation;
mod fixtures;
mod isolation;
mod lifecycle;
mod operations;
mod parts;
mod publishing;
mod reconciling;
mod saving;
mod unsigned;
mod webhooks;
