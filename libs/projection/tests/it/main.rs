//! Tails and timers against a real PostgreSQL.

mod fixtures;
mod projections;
mod reactors;
mod timers;
