//! Another plan, version, number of seats, or add-on: now, at the price that was shown, or with the
//! next period.

use jiff::Timestamp;
use money::Money;

use super::{Decision, check_quantity};
use crate::commands::{Change, ChangeAddOn, When};
use crate::events::{AddOnChanged, ChangeDropped, ChangeScheduled, PlanChanged, SubscriptionEvent};
use crate::period::{Anchor, Period};
use crate::proration::{Segment, prorate};
use crate::rejection::Rejection;
use crate::state::{Agreed, Current, Status, Subscription};
use crate::terms::QUANTITY_MAX;

pub(crate) fn change(subscription: &Subscription, command: Change, at: Timestamp) -> Decision {
    let agreed = free_to_change(subscription)?;
    check_quantity(command.quantity)?;
    if command.terms.price.currency() != agreed.terms.price.currency() {
        return Err(Rejection::CurrencyDiffers);
    }
    if command.terms == agreed.terms && command.quantity == agreed.quantity {
        return Err(Rejection::NothingChanges);
    }
    match (command.when, subscription.status()) {
        (When::Now, Status::Trialing) => Ok(vec![swap_in_trial(subscription, agreed, command, at)]),
        (When::Now, _) => Ok(vec![change_now(subscription.current()?, agreed, command, at)?]),
        (When::AtPeriodEnd, _) => schedule(subscription, command),
    }
}

/// It runs, owes nothing, and does not end.
fn free_to_change(subscription: &Subscription) -> Result<&Agreed, Rejection> {
    let agreed = subscription.agreed()?;
    if subscription.debt().is_some() {
        return Err(Rejection::PaymentDue);
    }
    subscription.expect(&[Status::Trialing, Status::Active])?;
    match subscription.cancel() {
        Some(_) => Err(Rejection::EndsWithPeriod),
        None => Ok(agreed),
    }
}

fn change_now(
    current: &Current,
    agreed: &Agreed,
    command: Change,
    at: Timestamp,
) -> Result<SubscriptionEvent, Rejection> {
    let priced_at = command.priced_at.unwrap_or(at);
    // A price that was shown before the last change, or in the period before, is not the price now.
    if priced_at < current.segment.start {
        return Err(Rejection::PriceOutdated);
    }
    let running = current.running(&current.segment, &agreed.terms);
    let proration = prorate(running, &command.terms, command.quantity, priced_at)?;
    Ok(SubscriptionEvent::PlanChanged(PlanChanged {
        from: agreed.terms.clone(),
        to: command.terms,
        quantity: command.quantity,
        credit: proration.credit,
        charge: proration.charge,
        period: proration.period,
        anchor: proration.anchor.clone(),
        segment: proration.segment(priced_at),
        line_id: command.line_id,
        at,
    }))
}

/// Nothing was charged yet, so nothing is: the trial goes on, on the new terms.
fn swap_in_trial(
    subscription: &Subscription,
    agreed: &Agreed,
    command: Change,
    at: Timestamp,
) -> SubscriptionEvent {
    let ends_at = subscription.trial_ends_at().unwrap_or(at);
    let nothing = Money::zero(command.terms.price.currency());
    SubscriptionEvent::PlanChanged(PlanChanged {
        from: agreed.terms.clone(),
        to: command.terms,
        quantity: command.quantity,
        credit: nothing,
        charge: nothing,
        period: Period { index: 0, start: at, end: ends_at },
        anchor: Anchor { at: ends_at, zone: agreed.zone.clone() },
        segment: Segment { start: at, end: ends_at, amount: nothing },
        line_id: command.line_id,
        at,
    })
}

fn schedule(subscription: &Subscription, command: Change) -> Decision {
    let effective_at = match subscription.status() {
        Status::Trialing => subscription.trial_ends_at(),
        _ => subscription.period().map(|period| period.end),
    };
    let effective_at = effective_at.ok_or(Rejection::WrongStatus { status: subscription.status() })?;
    let Change { terms, quantity, .. } = command;
    let scheduled = ChangeScheduled { terms, quantity, effective_at };
    Ok(vec![SubscriptionEvent::ChangeScheduled(scheduled)])
}

pub(crate) fn drop_scheduled_change(subscription: &Subscription) -> Decision {
    subscription.agreed()?;
    match subscription.change() {
        Some(_) => Ok(vec![SubscriptionEvent::ChangeDropped(ChangeDropped {})]),
        None => Err(Rejection::NoChangeScheduled),
    }
}

pub(crate) fn change_add_on(subscription: &Subscription, command: ChangeAddOn, at: Timestamp) -> Decision {
    let agreed = free_to_change(subscription)?;
    let ChangeAddOn { add_on, priced_at, line_id } = command;
    if !(0..=QUANTITY_MAX).contains(&add_on.quantity) {
        return Err(Rejection::QuantityOutOfRange);
    }
    let nothing = Money::zero(agreed.terms.price.currency());
    if add_on.price.currency() != nothing.currency() {
        return Err(Rejection::CurrencyDiffers);
    }
    let held = subscription.add_ons().iter().find(|held| held.add_on.add_on_id == add_on.add_on_id);
    if held.map_or(add_on.quantity == 0, |held| held.add_on == add_on) {
        return Err(Rejection::NothingChanges);
    }
    let priced_at = priced_at.unwrap_or(at);
    let Some(current) = &subscription.running else {
        let segment = Segment { start: at, end: at, amount: nothing };
        let changed = AddOnChanged { add_on, credit: nothing, charge: nothing, segment, line_id };
        return Ok(vec![SubscriptionEvent::AddOnChanged(changed)]);
    };
    let begun = held.map_or(current.period.start, |held| held.segment.start);
    if priced_at < begun || priced_at >= current.period.end {
        return Err(Rejection::PriceOutdated);
    }
    let credit = held.map_or(Ok(nothing), |held| held.segment.unused(priced_at))?;
    let (left, whole) = (current.period.seconds_left(priced_at), current.period.seconds());
    let charge = add_on.price.times(add_on.quantity)?.portion(left, whole)?;
    let segment = Segment { start: priced_at, end: current.period.end, amount: charge };
    Ok(vec![SubscriptionEvent::AddOnChanged(AddOnChanged { add_on, credit, charge, segment, line_id })])
}
