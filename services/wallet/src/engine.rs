//! The ledger engine: one writer at a time per partition, group commit, answers after durability.
//!
//! ```text
//! callers ──work──▶ mailbox ──▶ desk ──sealed batch──▶ appender ──▶ journal
//!    ▲                          decides batch n+1 while    │
//!    └───────── answers ────────batch n is being appended ◀┘ settled
//! ```
//!
//! - [`Ledger`] is what callers hold: it routes by tenant, bounds what may wait, awaits answers.
//! - [`rounds`] is what the owner of a partition's state does, as a machine without threads or time;
//!   [`writer`] drives it, and [`desk`] lets whoever brings work or news do so. It never waits to fill
//!   a batch: what has arrived when an append ends is the next batch.
//! - [`appender`] makes an append's outcome certain, or says that it is not.
//! - [`partition`] takes the lease, recovers the state, runs the other two, and starts over when
//!   the lease is lost or an outcome stays unknown. Nobody is answered from a state that may not
//!   be durable.

mod appender;
mod desk;
mod lease;
mod ledger;
mod mailbox;
mod packed;
mod partition;
mod placement;
mod placing;
mod recovery;
mod rounds;
mod settling;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
mod snapshots;
mod work;
mod writer;

pub(crate) use lease::Validity;
pub use ledger::{Balances, Ledger, Opened, Receipt};
pub use packed::{PackedAnswer, PackedPosts};
pub use partition::run_partition;
pub(crate) use placement::Served;
