//! The end of a trial or a period: it ends, changes, or goes on into the next. One period per call,
//! so that an outage of three months is caught up with three calls and three invoices.

use jiff::Timestamp;

use super::Decision;
use crate::commands::Extend;
use crate::events::{Activated, Expired, Extended, PeriodStarted, PlanChanged, SubscriptionEvent};
use crate::period::Anchor;
use crate::proration::Segment;
use crate::rejection::Rejection;
use crate::state::{Agreed, ScheduledChange, Status, Subscription};
use money::Money;

pub(crate) fn pass_boundary(subscription: &Subscription, at: Timestamp) -> Decision {
    let agreed = subscription.expect(&[Status::Trialing, Status::Active])?;
    let boundary = ends_at(subscription)?;
    if at < boundary {
        return Err(Rejection::NotDue { due_at: boundary });
    }
    if let Some(cancel) = subscription.cancel() {
        let reason = cancel.reason.clone();
        return Ok(vec![SubscriptionEvent::Expired(Expired { reason, at: boundary })]);
    }
    match subscription.change() {
        Some(change) => begin_changed(subscription, agreed, change, boundary),
        None => begin_next(subscription, agreed, boundary),
    }
}

fn ends_at(subscription: &Subscription) -> Result<Timestamp, Rejection> {
    match subscription.status() {
        Status::Trialing => {
            subscription.trial_ends_at().ok_or(Rejection::WrongStatus { status: Status::Trialing })
        }
        _ => Ok(subscription.current()?.period.end),
    }
}

/// The next period under the same terms: the first after a trial is counted from the trial's end.
fn begin_next(subscription: &Subscription, agreed: &Agreed, boundary: Timestamp) -> Decision {
    let (anchor, index) = match &subscription.running {
        Some(running) => (running.anchor.clone(), subscription.upcoming),
        None => (Anchor { at: boundary, zone: agreed.zone.clone() }, 0),
    };
    let mut period = anchor.period(agreed.terms.period, index)?;
    // Where the anchor's count and the end of the last period differ (the zone's rules have changed
    // since), the next period begins where the last one ended: no second is free or paid twice.
    period.start = boundary;
    let charges = Subscription::charges(&agreed.terms, agreed.quantity, &subscription.add_ons)?;
    let cycle = subscription.cycle().saturating_add(1);
    let started = PeriodStarted { cycle, period, anchor, charges, prepaid: false };
    let mut events = Vec::new();
    if subscription.status() == Status::Trialing {
        events.push(SubscriptionEvent::Activated(Activated { at: boundary }));
    }
    events.push(SubscriptionEvent::PeriodStarted(started));
    Ok(events)
}

/// The next period under the terms that were scheduled: counted from here.
fn begin_changed(
    subscription: &Subscription,
    agreed: &Agreed,
    change: &ScheduledChange,
    boundary: Timestamp,
) -> Decision {
    let anchor = Anchor { at: boundary, zone: agreed.zone.clone() };
    let period = anchor.period(change.terms.period, 0)?;
    let charges = Subscription::charges(&change.terms, change.quantity, &subscription.add_ons)?;
    let nothing = Money::zero(change.terms.price.currency());
    let changed = PlanChanged {
        from: agreed.terms.clone(),
        to: change.terms.clone(),
        quantity: change.quantity,
        credit: nothing,
        charge: nothing, // the period that begins is charged below
        period,
        anchor: anchor.clone(),
        segment: Segment { start: period.start, end: period.end, amount: nothing },
        line_id: None,
        at: boundary,
    };
    let mut events = vec![SubscriptionEvent::PlanChanged(changed)];
    if subscription.status() == Status::Trialing {
        events.push(SubscriptionEvent::Activated(Activated { at: boundary }));
    }
    let cycle = subscription.cycle().saturating_add(1);
    let started = PeriodStarted { cycle, period, anchor, charges, prepaid: false };
    events.push(SubscriptionEvent::PeriodStarted(started));
    Ok(events)
}

pub(crate) fn extend(subscription: &Subscription, command: Extend, at: Timestamp) -> Decision {
    subscription.expect(&[Status::Trialing, Status::Active])?;
    let ends_at = ends_at(subscription)?;
    if command.ends_at <= ends_at || command.ends_at <= at {
        return Err(Rejection::EndNotLater { ends_at });
    }
    let Extend { ends_at, reason } = command;
    Ok(vec![SubscriptionEvent::Extended(Extended { ends_at, reason })])
}
