//! The tables, one file each: plain SQL, one function per statement, no rule.
//!
//! Every function takes the connection of a transaction that was begun for a tenant (or as the
//! worker) and names the tenant in its WHERE clause all the same: row-level security is the second
//! wall, not the first.

pub mod api_keys;
pub mod challenges;
pub mod details;
pub mod factors;
pub mod guards;
pub mod letters;
pub mod levels;
pub mod passkeys;
pub mod permissions;
pub mod persons;
pub mod platform;
pub mod providers;
pub mod refresh_tokens;
pub mod roles;
pub mod routing;
pub mod search;
pub mod sessions;
pub mod signing_keys;
pub mod sources;
pub mod tenants;
pub mod tickets;
pub mod users;
