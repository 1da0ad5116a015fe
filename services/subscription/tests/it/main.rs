//! The service on a real database.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod categories;
mod permissions;
mod plans;
mod versions;
mod world;
