//! The bus against a real PostgreSQL and a real nats-server, which is killed now and then.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod consuming;
mod crowd;
mod fixtures;
mod outage;
mod relaying;
