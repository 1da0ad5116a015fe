//! Notify on real servers, called as sister services call it: over the guarded rpcs, in process.
//! What lies on the internet (the mail server) is a double that speaks the real protocol.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bounces;
mod hooks;
mod mails;
mod people;
mod permissions;
mod telling;
mod templates;
mod webhooks;
mod world;
