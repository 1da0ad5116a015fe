//! Payments on a real database, with the real sandbox over HTTP.
#![allow(clippy::unwrap_used, reason = "a fixture that fails must fail the test")]

mod accounts;
mod conformance;
mod creation;
mod fixtures;
mod isolation;
mod lifecycle;
mod localstripe;
mod operations;
mod parts;
mod publishing;
mod reconciling;
mod saving;
mod unsigned;
mod webhooks;
