//! Identity on real servers, called as the gateway calls it: over the guarded rpcs, in process.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod admin;
mod events;
mod fixtures;
mod guessing;
mod isolation;
mod keys;
mod permissions;
mod sessions;
