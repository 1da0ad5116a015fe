//! The service on a real database and a real broker, with sellers and payments of the tests' own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod checkout;
mod cost;
mod delivery;
mod fakes;
mod numbers;
mod payment;
mod permissions;
mod reading;
mod tenants;
mod world;
