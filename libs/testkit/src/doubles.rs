//! Doubles of what lies on the internet; they speak the real protocols.
#![allow(clippy::unwrap_used, reason = "a test's double must fail loudly")]

mod receiver;
mod sink;

pub use receiver::{Received, Receiver};
pub use sink::{Sink, Taken};
