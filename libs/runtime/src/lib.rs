//! What every service runs on.
//!
//! A service is a value: gRPC [`Routes`](tonic::service::Routes) and a list of [`Role`]s (relay,
//! projectors, reactors, timers). The runtime starts, watches and drains them. It owns
//! configuration ([`config`]), telemetry ([`telemetry`]), the admin port ([`admin`]), the guard in
//! front of every rpc ([`guard`]), the notes about privileged actions ([`audit`]), the channels between services ([`Channel`]) and the databases'
//! schemas and log-in roles ([`database`]). It knows no business word.

pub mod admin;
pub mod audit;
mod channel;
pub mod config;
mod context;
pub mod database;
pub mod guard;
mod platform;
mod readiness;
mod server;
mod service;
mod tasks;
pub mod telemetry;
pub mod trace;
mod undeclared;

pub use channel::{Channel, Directory, Peer};
pub use context::{CORRELATION_ID, OPERATION_ID, USER_AGENT, context, operation, user_agent};
pub use platform::{Environment, Platform};
pub use readiness::{Latch, Readiness};
pub use server::{port_taken, serve_grpc, until_drained};
pub use service::{Role, Service};
pub use tasks::{Drain, OnError, Tasks};
