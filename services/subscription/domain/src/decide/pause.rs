//! Rests: nothing runs, nothing is charged, and what was paid for lasts longer by as much.

use jiff::Timestamp;

use super::Decision;
use crate::commands::Pause;
use crate::events::{Paused, Resumed, SubscriptionEvent};
use crate::rejection::Rejection;
use crate::state::{Status, Subscription};

pub(crate) fn pause(subscription: &Subscription, command: Pause, at: Timestamp) -> Decision {
    subscription.agreed()?;
    if subscription.status() == Status::Paused {
        return Ok(Vec::new()); // asked again
    }
    subscription.expect(&[Status::Active])?;
    if command.resumes_at.is_some_and(|resumes_at| resumes_at <= at) {
        return Err(Rejection::ResumeInPast);
    }
    let paused = Paused { resumes_at: command.resumes_at, unpaid: false, at };
    Ok(vec![SubscriptionEvent::Paused(paused)])
}

pub(crate) fn resume(subscription: &Subscription, at: Timestamp) -> Decision {
    subscription.expect(&[Status::Paused])?;
    if subscription.debt().is_some() {
        return Err(Rejection::PaymentDue);
    }
    let began = subscription.paused_at.unwrap_or(at);
    // A date that was set counts, however late the timer is: the customer is not given free days.
    let at = subscription.resumes_at().map_or(at, |resumes_at| resumes_at.min(at)).max(began);
    let rested_seconds = at.duration_since(began).as_secs();
    Ok(vec![SubscriptionEvent::Resumed(Resumed { rested_seconds, at })])
}
