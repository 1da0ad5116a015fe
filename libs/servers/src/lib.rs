//! Private PostgreSQL and NATS servers for development and tests.
//!
//! "Private" means: own data folder, own port on 127.0.0.1, own log, a cleaned environment, and
//! never a server that somebody else runs. `make up` keeps durable ones, tests take ephemeral ones
//! that vanish with the test process, however it ends; fault tests kill, pause and restart them.
//!
//! Everything is blocking `std::process`: starting a server is rare, and a test fixture that needs
//! a runtime is a fixture that cannot be used from a plain `#[test]` or from `xtask`.
//! What goes wrong is a [`ServerError`], a sentence that says what to do. Nothing is downloaded.

mod account;
mod error;
mod installed;
mod keeper;
mod log;
mod nats;
pub mod ports;
mod postgres;
pub mod probe;
pub mod process;

pub use account::Account;
pub use error::{Result, ServerError};
pub use installed::{PostgresInstallation, nats_binary, postgres_installations};
pub use keeper::Keeper;
pub use nats::{Nats, NatsOptions};
pub use postgres::{Postgres, PostgresOptions};
