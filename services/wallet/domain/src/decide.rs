//! One file per command: a ladder of guards, each with its own named rejection, then the facts.

mod open_account;
mod post;

pub(crate) use open_account::open_account;
pub(crate) use post::post;

use smallvec::SmallVec;

use crate::Posting;

/// What a command comes to when no rule refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<F> {
    /// It was done before, in the batch with this number at the latest.
    Done {
        /// The batch.
        sequence: u64,
    },
    /// These facts follow.
    New(F),
}

/// The facts of a new operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Digest of the command's body.
    pub body: u64,
    /// What moved, with the balances afterwards.
    pub postings: SmallVec<[Posting; 1]>,
}
