//! The servers for real: started, stopped, killed, refused, and gone with whoever asked for them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod keeper;
mod nats;
mod postgres;
