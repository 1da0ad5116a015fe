//! The rules of the ledger: double entry over integer amounts, pure.
//!
//! No clock, no storage, no network, no randomness that an answer could depend on: the engine of
//! the wallet service brings those. [`Writer`] is the one verb book: it decides commands against
//! [`PartitionState`], applies what it decided by the same code that replays history, and collects
//! the facts of a batch. The laws that no command can break, checked in `tests/laws.rs`:
//! - per tenant and asset all balances sum to zero;
//! - a customer account is never below zero;
//! - an operation id has one outcome, however often it is sent;
//! - replaying the batches gives the state that wrote them, and a snapshot gives it back.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

mod account;
mod asset;
mod batch;
mod body;
mod command;
mod decide;
mod draft;
mod entry;
#[cfg(test)]
mod given;
mod rejection;
pub mod samples;
mod snapshot;
mod state;
mod writer;

pub use account::{AccountKind, AccountTerms, UnknownKind, customer_account, system_account};
pub use asset::{Asset, InvalidAsset};
pub use batch::{Batch, CorruptBatch, FORMAT, Opening, Operation, Origin, Posting};
pub use command::{Leg, OpenAccount, POSTINGS_MAX, Post, REASON_LENGTH_MAX, REFERENCE_LENGTH_MAX, Request};
pub use decide::{Posted, Verdict};
pub use draft::Draft;
pub use entry::{Entry, entries};
pub use rejection::Rejection;
pub use snapshot::{CorruptSnapshot, decode as decode_snapshot, encode as encode_snapshot};
pub use state::{AccountView, Broken, PartitionState};
pub use writer::{Answer, Refused, Writer};
