//! What follows from a service's own log: read models, reactions, and things that fall due.
//!
//! A [`Projection`] builds tables from events; its cursor moves in the same transaction, so each
//! event counts once. A [`Reactor`] acts on events (calls a sister service, say) and is asked
//! again after a crash, so it must be idempotent. Both are worked off by one replica at a time,
//! which a session advisory lock decides. An event that a projection cannot read stops it; nothing
//! is ever skipped. [`timers`] are durable rows that any number of replicas work off.
//!
//! Inline projections need nothing from here: they are statements in the command's unit of work.

mod metrics;
mod projection;
mod reaction;
mod reactor;
mod tail;
pub mod timers;

pub use projection::{Projection, rebuild, run_projection, wait_for};
pub use reaction::replay;
pub use reactor::{Reactor, run_reactor};
