//! Facts on PostgreSQL: append, load, and read in an order without gaps.
//!
//! One commit per command: a [`UnitOfWork`] holds the events, the inline read models, the
//! idempotency record and the outbox (which is the event table itself). Readers tail the log by
//! [`Position`](kernel::Position): the id of the writing transaction and a sequence, read only
//! below the oldest transaction that still runs. A sequence alone would lose events, because
//! transactions commit in another order than they take their numbers.
//!
//! The price: a long transaction anywhere in the cluster holds every reader back. So a unit of
//! work must not wait for the network.
//!
//! The tables are in `template/create_event_store.sql`; every service renders it as its first
//! migration. [`MemoryStore`] is the twin for tests, held to the same conformance suite.

mod append;
mod append_new;
mod begin;
mod context;
mod cursors;
mod dead_letters;
mod epoch;
mod error;
mod lanes;
mod leadership;
mod log;
mod memory;
mod operations;
mod pulse;
mod retention;
mod retry;
mod rows;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;
mod unit_of_work;

pub use append_new::NewStream;
pub use begin::begin_whole;
pub use context::CommandContext;
pub use cursors::save_cursor;
pub use dead_letters::{DeadLetter, mark_replayed, open_dead_letter, open_dead_letters, record_dead_letter};
pub use epoch::repair_epoch;
pub use error::{storage, unknown_event, with_causes};
pub use lanes::Lanes;
pub use leadership::Leadership;
pub use log::{Log, NewEvent};
pub use memory::MemoryStore;
pub use operations::body_hash;
pub use pulse::Pulse;
pub use retention::Retention;
pub use retry::retry_stale;
pub use store::EventStore;
pub use trace::traced;
pub use unit_of_work::{Loaded, UnitOfWork, WorkerUnit};

/// The first migration of every event-sourced service, with `{{service}}` for its name.
pub const TEMPLATE: &str = include_str!("../template/create_event_store.sql");
