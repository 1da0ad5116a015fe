//! The rules of the ledger: double entry over integer amounts, pure.
//!
//! No clock, no storage, no network, no randomness that an answer could depend on: the engine of
//! the wallet service brings those. [`Writer`] is the one verb book: it decides commands against
//! [`PartitionState`], applies what it decided by the same code that replays history, and collects
//! the facts of a batch. The laws that no command can break, checked in `tests/laws`:
//! - per tenant and asset all balances sum to zero;
//! - a customer account never owes more than its overdraft, and holds are covered;
//! - what can be spent of the lots of an account is never more than what is posted and not held;
//! - an operation id has one outcome, however often it is sent;
//! - replaying the batches gives the state that wrote them, and a snapshot gives it back.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails"))]

mod account;
mod asset;
mod batch;
mod body;
mod command;
mod decide;
mod draft;
pub mod effect;
mod entry;
#[cfg(test)]
mod given;
mod outcome;
mod plan;
mod rejection;
pub mod samples;
mod snapshot;
mod state;
mod stored;
mod writer;

pub use account::{AccountKind, AccountStatus, AccountTerms, UnknownKind, customer_account, system_account};
pub use asset::{Asset, InvalidAsset};
pub use batch::{Batch, CorruptBatch, FORMAT, Kind, Opening, Operation, Origin, Posting, Recorded};
pub use body::digest;
pub use command::*;
pub use decide::Verdict;
pub use draft::Draft;
pub use effect::Effect;
pub use entry::{Entry, entries};
pub use outcome::{Outcome, original, outcome};
pub use plan::Facts;
pub use rejection::Rejection;
pub use snapshot::{CorruptSnapshot, decode as decode_snapshot, encode as encode_snapshot};
pub use state::{AccountView, Broken, HoldView, LotView, PartitionState, TrialLine, UsageView};
pub use writer::{Answer, Refused, Writer};
