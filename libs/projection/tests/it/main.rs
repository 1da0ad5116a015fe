//! Tails and timers against a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod fixtures;
mod projections;
mod reactors;
mod timers;
