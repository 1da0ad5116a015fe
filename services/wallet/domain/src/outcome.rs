//! What an operation came to, from its facts: the same answer for the first call, for every repeated
//! one, and for a reversal that looks years later.

use ids::OperationId;
use uuid::Uuid;

use crate::effect::{Change, Effect};
use crate::{GivenLot, Kind, Original, OriginalLeg, Posting, Recorded, TakenLot};

/// The figures that are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Units of the last posting: what was captured, charged, or what a conversion came to.
    pub amount: i64,
    /// What is left of the hold it placed or reduced.
    pub left: i64,
}

/// What a recorded operation came to.
#[must_use]
pub fn outcome(postings: &[Posting], effects: &[Effect]) -> Outcome {
    let left = effects.iter().rev().find_map(|effect| match effect.change.as_ref()? {
        Change::HoldPlaced(placed) => Some(placed.amount),
        Change::HoldReduced(reduced) => Some(reduced.left),
        _ => None,
    });
    let amount = postings.last().map(|posting| posting.amount);
    Outcome { amount: amount.unwrap_or_default(), left: left.unwrap_or_default() }
}

/// A recorded operation as a reversal needs it.
#[must_use]
pub fn original(recorded: Recorded<'_>, at_ms: i64) -> Original {
    let kind = Kind::numbered(recorded.operation.kind);
    let leg = |(number, posting): (u32, &Posting)| OriginalLeg {
        debit: posting.debit,
        credit: posting.credit,
        amount: posting.amount,
        taken: recorded.effects.iter().filter_map(|effect| taken(effect, number)).collect(),
        given: recorded.effects.iter().filter_map(|effect| given(effect, number)).collect(),
    };
    Original {
        operation: OperationId::from_uuid(Uuid::from_u64_pair(
            recorded.operation.id_high,
            recorded.operation.id_low,
        )),
        reversible: kind.is_some_and(Kind::is_reversible),
        divisible: kind.is_some_and(|kind| kind != Kind::Convert),
        at_ms,
        legs: (0..).zip(recorded.postings).map(leg).collect(),
    }
}

/// What a leg took out of a lot. A leg's lots are noted before the leg is.
fn taken(effect: &Effect, leg: u32) -> Option<TakenLot> {
    match effect.change.as_ref()? {
        Change::LotMoved(moved) if moved.left > 0 && moved.leg == leg => {
            Some(TakenLot { terms: moved.terms.as_ref()?.read()?, amount: moved.left })
        }
        _ => None,
    }
}

/// What a leg put into a lot.
fn given(effect: &Effect, leg: u32) -> Option<GivenLot> {
    match effect.change.as_ref()? {
        Change::LotOpened(opened) if opened.leg == leg => {
            Some(GivenLot { lot: (opened.id_high, opened.id_low), amount: opened.amount })
        }
        Change::LotJoined(joined) if joined.leg == leg => {
            Some(GivenLot { lot: (joined.id_high, joined.id_low), amount: joined.amount })
        }
        _ => None,
    }
}
