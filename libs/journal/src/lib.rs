//! The ledger's batch journal: a port, PostgreSQL, KurrentDB, memory, one conformance suite.
//!
//! A journal keeps numbered, hash-chained batches per partition. It promises three things to the
//! one engine that writes a partition: an append that succeeded is durable; of two writers only the
//! holder of the newest lease can append; and what has been appended can be read back, so that an
//! append whose answer was lost can be settled by repeating it. Payloads are opaque here.

mod any;
mod chain;
#[cfg(feature = "testing")]
pub mod conformance;
#[cfg(feature = "double")]
pub mod double;
#[cfg(feature = "kurrentdb")]
mod kurrent;
mod memory;
mod port;
mod postgres;

pub use any::{AnyJournal, Unusable};
pub use chain::{Chain, ChainBroken, GENESIS, Hash};
#[cfg(feature = "kurrentdb")]
pub use kurrent::{InvalidAddress, KurrentJournal};
pub use memory::{MemoryJournal, Mishap};
pub use port::{Claim, Holder, Journal, JournalError, Lease, Row, Snapshot};
pub use postgres::{Placement, PostgresJournal, Replica, Wish};
