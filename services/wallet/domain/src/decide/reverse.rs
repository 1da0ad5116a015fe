//! Reverse a posted operation, in whole or in part: every leg goes back the way it came, never more
//! than it moved. Units that came out of lots return on the terms they had, those that would have
//! been spent last first; units that it brought leave the lots first that they were put into. Holds are
//! released, not reversed; a reversal and an expiry are final.

use crate::effect::{Change, Reversed};
use crate::plan::{Credit, Debit, LotId, Plan};
use crate::state::REVERSIBLE_MS;
use crate::{LotTerms, Original, OriginalLeg, Part, Rejection, Reverse};

pub(super) fn reverse(plan: &mut Plan<'_>, command: &Reverse) -> Result<(), Rejection> {
    let original = &command.original;
    let operation = original.operation;
    if !original.reversible || original.legs.is_empty() || !is_own(plan, &original.legs) {
        return Err(Rejection::NotReversible { operation });
    }
    if plan.at_ms().saturating_sub(original.at_ms) > REVERSIBLE_MS {
        return Err(Rejection::TooOldToReverse { operation });
    }
    let id = operation.as_uuid().as_u64_pair();
    let before = plan.state.counters.undone.get(&(plan.tenant(), id));
    let mut undone: Vec<i64> =
        before.map_or_else(|| vec![0; original.legs.len()], |undone| undone.legs.to_vec());
    let amounts = amounts(original, &command.parts, &undone)?;
    for ((leg, undone), amount) in original.legs.iter().zip(&mut undone).zip(amounts) {
        if amount > 0 {
            let (given, lots) = (leaving(leg, *undone, amount), returning(leg, *undone, amount));
            let (from, into) = (Debit::LotsFirst(&given), Credit::Restored(&lots));
            plan.shift(leg.credit, leg.debit, amount, &from, &into)?;
            *undone = undone.saturating_add(amount);
        }
    }
    let (id_high, id_low) = id;
    plan.note(Change::Reversed(Reversed { id_high, id_low, at_ms: original.at_ms, undone }));
    Ok(())
}

/// Whether all legs are between accounts of the tenant that count the same: originals are read
/// elsewhere.
fn is_own(plan: &Plan<'_>, legs: &[OriginalLeg]) -> bool {
    let own = |number| plan.state.accounts.get(number).filter(|row| row.tenant == plan.tenant());
    legs.iter().all(|leg| {
        let parties = own(leg.debit).zip(own(leg.credit));
        leg.debit != leg.credit && parties.is_some_and(|(giving, taking)| giving.asset == taking.asset)
    })
}

/// How much of every leg goes back now.
fn amounts(original: &Original, parts: &[Part], undone: &[i64]) -> Result<Vec<i64>, Rejection> {
    let operation = original.operation;
    let left: Vec<i64> =
        original.legs.iter().zip(undone).map(|(leg, undone)| leg.amount.saturating_sub(*undone)).collect();
    if left.iter().all(|left| *left <= 0) {
        return Err(Rejection::AlreadyReversed { operation });
    }
    if parts.is_empty() {
        return Ok(left);
    }
    if !original.divisible {
        return Err(Rejection::NotDivisible { operation });
    }
    let mut amounts = vec![0_i64; left.len()];
    for (index, part) in parts.iter().enumerate() {
        if part.amount <= 0 {
            return Err(Rejection::AmountNotPositive { index, amount: part.amount });
        }
        let unknown = Rejection::LegUnknown { leg: part.leg };
        let (amount, left) =
            amounts.get_mut(part.leg as usize).zip(left.get(part.leg as usize)).ok_or(unknown)?;
        *amount = amount.saturating_add(part.amount);
        if *amount > *left {
            return Err(Rejection::AmountExceedsOriginal { leg: part.leg, left: *left, needed: *amount });
        }
    }
    Ok(amounts)
}

/// The lots that come back when `amount` of a leg is undone after `undone` was: what was outside of
/// lots goes first.
fn returning(leg: &OriginalLeg, undone: i64, amount: i64) -> Vec<(LotTerms, i64)> {
    let in_lots = leg.taken.iter().fold(0_i64, |sum, taken| sum.saturating_add(taken.amount));
    let outside = leg.amount.saturating_sub(in_lots);
    let skipped = undone.saturating_sub(outside).max(0);
    let wanted = amount.saturating_sub(outside.saturating_sub(undone).max(0)).max(0);
    from_the_back(leg.taken.iter().map(|taken| (&taken.terms, taken.amount)), skipped, wanted)
        .map(|(terms, units)| (terms.clone(), units))
        .collect()
}

/// The lots that units leave first when `amount` of a leg is undone after `undone` was.
fn leaving(leg: &OriginalLeg, undone: i64, amount: i64) -> Vec<(LotId, i64)> {
    from_the_back(leg.given.iter().map(|given| (given.lot, given.amount)), undone, amount).collect()
}

/// Which parts hold the `wanted` units that come after the `skipped` ones, counted from the end.
fn from_the_back<T>(
    parts: impl DoubleEndedIterator<Item = (T, i64)>,
    mut skipped: i64,
    mut wanted: i64,
) -> impl Iterator<Item = (T, i64)> {
    parts.rev().filter_map(move |(part, units)| {
        let skip = skipped.min(units);
        skipped = skipped.saturating_sub(skip);
        let units = units.saturating_sub(skip).min(wanted);
        wanted = wanted.saturating_sub(units);
        (units > 0).then_some((part, units))
    })
}

#[cfg(test)]
mod tests;
