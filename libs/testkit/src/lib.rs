//! Real servers for tests.
//!
//! [`database`] gives a test its own database with roles, schema and migrations as production has
//! them, on the run's shared PostgreSQL (`VBWD_TEST_POSTGRES_URL`, set by `make test`) or on one
//! that this process starts for itself. [`nats`] gives a test its own broker: starting one takes
//! milliseconds, and a broker of one's own can be killed. Everything panics with a sentence when it
//! cannot work: a test without its server has nothing to say.
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test without its server must fail")]

mod database;
mod doubles;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

pub use database::{TestDatabase, database, databases, databases_on};
pub use doubles::{Received, Receiver, Sink, Taken};
pub use servers::{Nats, Postgres};

/// Address of the PostgreSQL server of this test run, with a superuser's log-in.
#[must_use]
pub fn postgres_url() -> String {
    static OWN: OnceLock<Postgres> = OnceLock::new();
    std::env::var("VBWD_TEST_POSTGRES_URL")
        .unwrap_or_else(|_| OWN.get_or_init(|| Postgres::ephemeral().expect("a private PostgreSQL")).url())
}

/// An address of this machine that nobody listens on.
#[must_use]
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, servers::ports::free().expect("a free port")).into()
}

/// A broker of the test's own; it ends when the value is dropped.
#[must_use]
pub fn nats() -> Nats {
    Nats::ephemeral().expect("a private nats-server")
}
