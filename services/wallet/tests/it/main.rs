//! The wallet on real servers, and its engine on a journal that misbehaves on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod api;
mod batches;
mod crash;
mod drain;
mod engine;
mod everything;
mod fixtures;
mod holds;
mod kurrent;
mod limits;
mod lots;
mod metering;
mod operations;
mod ownership;
mod proof;
mod reads;
mod relay;
mod selling;
mod wire;
mod world;
