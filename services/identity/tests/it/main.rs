//! Identity on real servers, called as the gateway calls it: over the guarded rpcs, in process.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod account;
mod admin;
mod api_keys;
mod audit;
#[path = "../../../../tests/harness/device.rs"]
mod device;
mod events;
mod federation;
mod fixtures;
mod guessing;
mod hosts;
mod impersonation;
mod isolation;
mod keys;
mod mailbox;
#[path = "../../../../tests/harness/oidc.rs"]
mod oidc;
mod passkeys;
mod people;
mod permissions;
mod recovery;
mod routing;
mod second_factor;
mod sessions;
mod sources;
mod tenants;
