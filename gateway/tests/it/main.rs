//! The edge from the outside: requests go in as HTTP, fake services stand behind it in the same
//! process, guarded as the real ones are.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod access;
mod browsers;
mod edge;
mod fakes;
mod fixtures;
mod idempotency;
mod rules;
mod services_down;
mod socket;
mod sockets;
mod streams;
mod transcoding;
mod uploads;
