//! Undoing a posted operation. Its facts are read from the journal and travel inside the command:
//! the state remembers only what of it was reversed before.

use ids::OperationId;
use smallvec::SmallVec;

use super::LotTerms;

/// Undoes what an operation posted, in whole or in part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverse {
    /// The operation that is undone.
    pub original: Original,
    /// Which legs by how much; empty for all that is left.
    pub parts: SmallVec<[Part; 1]>,
}

/// Part of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which leg of the original, from 0.
    pub leg: u32,
    /// How much, above zero.
    pub amount: i64,
}

/// An operation as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Its id.
    pub operation: OperationId,
    /// Whether it is of a kind that can be reversed: it posted, and was no reversal or expiry.
    pub reversible: bool,
    /// Whether its legs may be reversed apart; those of a conversion may not.
    pub divisible: bool,
    /// When it was posted, the tenant's time.
    pub at_ms: i64,
    /// Its legs.
    pub legs: Vec<OriginalLeg>,
}

/// A leg of an original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalLeg {
    /// Number of the account that gave.
    pub debit: u32,
    /// Number of the account that took.
    pub credit: u32,
    /// How much.
    pub amount: i64,
    /// What it took out of lots, in the order of taking; the rest was outside of lots.
    pub taken: Vec<TakenLot>,
    /// What it put into lots, in that order.
    pub given: Vec<GivenLot>,
}

/// Units that a leg took out of a lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenLot {
    /// On which terms they were.
    pub terms: LotTerms,
    /// How many.
    pub amount: i64,
}

/// Units that a leg put into a lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenLot {
    /// Halves of the lot's id.
    pub lot: (u64, u64),
    /// How many, with those that a grant carried over.
    pub amount: i64,
}
