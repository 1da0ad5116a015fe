//! Ends: scheduled, undone, at once, and taken back when the money came back.

use jiff::Timestamp;
use money::Money;

use super::Decision;
use crate::commands::{Cancel, When};
use crate::events::{CancelReason, CancelScheduled, CancelUndone, Cancelled, Restored, SubscriptionEvent};
use crate::rejection::Rejection;
use crate::state::{Status, Subscription};

pub(crate) fn cancel(subscription: &Subscription, command: Cancel, at: Timestamp) -> Decision {
    let agreed = subscription.agreed()?;
    if subscription.status().is_over() {
        return Ok(Vec::new()); // asked again
    }
    match command.when {
        When::AtPeriodEnd => schedule(subscription, command.reason),
        When::Now => {
            let nothing = Money::zero(agreed.terms.price.currency());
            let credit = if command.credit_unused { unused(subscription, nothing, at)? } else { nothing };
            let cancelled = Cancelled { reason: command.reason, credit, at };
            Ok(vec![SubscriptionEvent::Cancelled(cancelled)])
        }
    }
}

/// What rests or is in debt has no end of period to wait for: it ends at once.
fn schedule(subscription: &Subscription, reason: CancelReason) -> Decision {
    subscription.expect(&[Status::Trialing, Status::Active])?;
    if subscription.cancel().is_some() {
        return Ok(Vec::new());
    }
    let trial = subscription.trial_ends_at().filter(|_| subscription.status() == Status::Trialing);
    let ends_at = match trial {
        Some(ends_at) => ends_at,
        None => subscription.current()?.period.end,
    };
    let scheduled = SubscriptionEvent::CancelScheduled(CancelScheduled { ends_at, reason });
    Ok(vec![scheduled])
}

/// What was charged for time that will not be used: of the plan and of its add-ons. What is owed is
/// not given back.
fn unused(subscription: &Subscription, nothing: Money, at: Timestamp) -> Result<Money, Rejection> {
    let Some(running) = &subscription.running else { return Ok(nothing) };
    if subscription.debt().is_some() {
        return Ok(nothing);
    }
    let at = subscription.paused_at.unwrap_or(at);
    let add_ons = subscription.add_ons().iter().map(|held| held.segment.unused(at));
    let sum = add_ons.chain([running.segment.unused(at)]).try_fold(nothing, |sum, part| sum.plus(part?));
    Ok(sum?)
}

pub(crate) fn undo_cancel(subscription: &Subscription) -> Decision {
    subscription.expect(&[Status::Trialing, Status::Active, Status::Paused])?;
    match subscription.cancel() {
        Some(_) => Ok(vec![SubscriptionEvent::CancelUndone(CancelUndone {})]),
        None => Err(Rejection::NoCancelScheduled),
    }
}

pub(crate) fn restore(subscription: &Subscription, at: Timestamp) -> Decision {
    subscription.agreed()?;
    match subscription.ended() {
        Some((CancelReason::Refunded, _)) => Ok(vec![SubscriptionEvent::Restored(Restored { at })]),
        None => Ok(Vec::new()), // it runs
        Some(_) => Err(Rejection::WrongStatus { status: subscription.status() }),
    }
}
