//! The composition root: which services exist and how a process is put together from them.
//!
//! Adding a service is one line in [`roles`], one in [`config`] and one arm in `compose.rs`.

pub mod cli;
pub mod command;
mod compose;
pub mod config;
pub mod docs;
pub mod ledger;
pub mod roles;
pub mod start;

pub use config::Config;
pub use start::Running;
