//! The rules, pure: no clock, no storage, no randomness, no async.
//!
//! Each file is one rule with its table of cases. What a rule needs to know travels in as an
//! argument; what it refuses it names in a type of its own or in [`crate::rejection::Rejection`].

pub mod chain;
pub mod details;
pub mod device;
pub mod email;
pub mod export;
pub mod extension;
pub mod federation;
pub mod host_claim;
pub mod impersonation;
pub mod keys;
pub mod lockout;
pub mod network;
pub mod password;
pub mod refresh;
pub mod roles;
pub mod second_factor;
pub mod tenant;
pub mod tickets;
pub mod totp;
pub mod velocity;
