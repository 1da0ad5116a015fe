//! What this service does about its own events.

mod aftermath;
mod delivery;
mod refunds;

pub(crate) use aftermath::Aftermath;
