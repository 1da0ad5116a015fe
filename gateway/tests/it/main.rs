//! The edge from the outside: requests go in as HTTP, fake services stand behind it in the same
//! process, guarded as the real ones are.

mod access;
mod edge;
mod fakes;
mod fixtures;
mod idempotency;
mod transcoding;
