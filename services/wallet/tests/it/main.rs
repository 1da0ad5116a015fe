//! The wallet on real servers, and its engine on a journal that misbehaves on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod api;
mod crash;
mod drain;
mod engine;
mod fixtures;
mod kurrent;
mod ownership;
mod reads;
mod relay;
mod selling;
