//! The vocabulary of event-sourced services.
//!
//! An [`Aggregate`] decides and evolves and does nothing else: no clock, no storage, no network.
//! A [`DomainEvent`] has a stored name from a table, never a Rust name, so that renaming code does
//! not break history. [`StoredEvent`] is an event as the store keeps it; [`Position`] is its place
//! in the one order in which readers see no gaps. The harness for rule tests is in [`testing`].

mod aggregate;
mod clock;
mod event;
mod position;
#[cfg(feature = "testing")]
pub mod testing;

pub use aggregate::Aggregate;
pub use clock::{Clock, FixedClock, SystemClock};
pub use event::{DomainEvent, Metadata, StoredEvent, UnknownEvent};
pub use position::{InvalidPosition, Position};

#[doc(hidden)]
pub mod macros {
    pub use serde_json;
}
