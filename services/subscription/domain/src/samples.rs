//! Named facts for tests: one subscription of 20 euros a month, and everything that can happen to it.
#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "named facts, for tests only"
)]

use ids::{AddOnId, InvoiceId, PlanId, UserId};
use jiff::{SignedDuration, Timestamp};
use kernel::Aggregate as _;
use money::{Currency, Money};

use crate::dunning::Decline;
use crate::events::*;
use crate::{
    AddOn, Anchor, BillingPeriod, Cancel, Change, Grant, Period, Rest, Segment, Subscribe, Subscription,
    SubscriptionCommand, Terms, When,
};

/// 2026-11-23T12:00:00Z.
pub const NOON: Timestamp = Timestamp::constant(1_795_435_200, 0);
pub const ZONE: &str = "Europe/Berlin";

pub fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

pub fn later(days: i64) -> Timestamp {
    NOON.checked_add(SignedDuration::from_hours(days.saturating_mul(24))).expect("in range")
}

pub fn user() -> UserId {
    "00000000-0000-0000-0000-00000000000a".parse().expect("a uuid")
}

pub fn invoice(nth: u8) -> InvoiceId {
    format!("00000000-0000-0000-0001-0000000000{nth:02x}").parse().expect("a uuid")
}

pub fn plan(nth: u8) -> PlanId {
    format!("00000000-0000-0000-0002-0000000000{nth:02x}").parse().expect("a uuid")
}

pub fn terms(nth: u8, minor: i64, period: BillingPeriod) -> Terms {
    let grant = Some(Grant { units: 100, rest: Rest::Expires });
    Terms { plan_id: plan(nth), version: 1, family: "pro".to_owned(), price: eur(minor), period, grant }
}

/// 20 euros a month.
pub fn monthly() -> Terms {
    terms(1, 2_000, BillingPeriod::MONTH)
}

/// 50 euros a month.
pub fn dearer() -> Terms {
    terms(2, 5_000, BillingPeriod::MONTH)
}

/// 200 euros a year.
pub fn yearly() -> Terms {
    terms(3, 20_000, BillingPeriod::YEAR)
}

pub fn add_on(quantity: i64) -> AddOn {
    let add_on_id: AddOnId = "00000000-0000-0000-0003-000000000001".parse().expect("a uuid");
    AddOn { add_on_id, version: 1, price: eur(300), quantity }
}

pub fn subscribing(terms: Terms) -> Subscribe {
    let zone = ZONE.to_owned();
    Subscribe { user_id: user(), terms, quantity: 1, zone, trial_days: 0, line_id: None }
}

pub fn changing(terms: Terms, when: When) -> Change {
    Change { terms, quantity: 1, when, priced_at: None, line_id: None }
}

pub fn cancelling(when: When) -> Cancel {
    Cancel { when, reason: customer(), credit_unused: false }
}

pub fn customer() -> CancelReason {
    CancelReason::Customer { text: "too_expensive".to_owned() }
}

pub fn anchor() -> Anchor {
    Anchor { at: NOON, zone: ZONE.to_owned() }
}

/// Period `index` of the monthly subscription.
pub fn period(index: u32) -> Period {
    anchor().period(BillingPeriod::MONTH, index).expect("in range")
}

pub fn created(terms: Terms) -> SubscriptionEvent {
    SubscriptionEvent::Created(Created {
        user_id: user(),
        terms,
        quantity: 1,
        zone: ZONE.to_owned(),
        line_id: None,
        at: NOON,
    })
}

pub fn trial_started(ends_at: Timestamp) -> SubscriptionEvent {
    SubscriptionEvent::TrialStarted(TrialStarted { ends_at })
}

pub fn activated() -> SubscriptionEvent {
    SubscriptionEvent::Activated(Activated { at: NOON })
}

/// The period of the monthly subscription with this cycle.
pub fn period_started(cycle: u32) -> SubscriptionEvent {
    SubscriptionEvent::PeriodStarted(PeriodStarted {
        cycle,
        period: period(cycle.saturating_sub(1)),
        anchor: anchor(),
        charges: vec![Charged { add_on_id: None, quantity: 1, amount: eur(2_000) }],
        prepaid: false,
    })
}

/// An active monthly subscription in its first period.
pub fn running() -> Vec<SubscriptionEvent> {
    vec![created(monthly()), activated(), period_started(1)]
}

pub fn with(
    mut past: Vec<SubscriptionEvent>,
    more: impl IntoIterator<Item = SubscriptionEvent>,
) -> Vec<SubscriptionEvent> {
    past.extend(more);
    past
}

pub fn trialing() -> Vec<SubscriptionEvent> {
    vec![created(monthly()), trial_started(later(14))]
}

pub fn past_due() -> SubscriptionEvent {
    SubscriptionEvent::PastDue(PastDue { invoice_id: invoice(1), decline: Decline::Soft, since: NOON })
}

pub fn retry_failed() -> SubscriptionEvent {
    SubscriptionEvent::RetryFailed(RetryFailed { decline: Decline::Hard, at: later(1) })
}

pub fn dunning_step_taken(step: u32) -> SubscriptionEvent {
    SubscriptionEvent::DunningStepTaken(DunningStepTaken {
        step,
        invoice_id: invoice(1),
        retry: true,
        letter: "payment_failed".to_owned(),
        at: later(1),
    })
}

pub fn recovered(at: Timestamp) -> SubscriptionEvent {
    SubscriptionEvent::Recovered(Recovered { invoice_id: invoice(1), at })
}

pub fn cancel_scheduled() -> SubscriptionEvent {
    SubscriptionEvent::CancelScheduled(CancelScheduled { ends_at: period(0).end, reason: customer() })
}

pub fn cancelled(reason: CancelReason, credit: Money, at: Timestamp) -> SubscriptionEvent {
    SubscriptionEvent::Cancelled(Cancelled { reason, credit, at })
}

pub fn expired() -> SubscriptionEvent {
    SubscriptionEvent::Expired(Expired { reason: customer(), at: period(0).end })
}

pub fn paused(resumes_at: Option<Timestamp>) -> SubscriptionEvent {
    SubscriptionEvent::Paused(Paused { resumes_at, unpaid: false, at: later(10) })
}

pub fn resumed(rested_seconds: i64, at: Timestamp) -> SubscriptionEvent {
    SubscriptionEvent::Resumed(Resumed { rested_seconds, at })
}

pub fn change_scheduled(terms: Terms) -> SubscriptionEvent {
    let effective_at = period(0).end;
    SubscriptionEvent::ChangeScheduled(ChangeScheduled { terms, quantity: 1, effective_at })
}

pub fn plan_changed() -> SubscriptionEvent {
    let segment = Segment { start: NOON, end: period(0).end, amount: eur(5_000) };
    SubscriptionEvent::PlanChanged(PlanChanged {
        from: monthly(),
        to: dearer(),
        quantity: 1,
        credit: eur(2_000),
        charge: eur(5_000),
        period: period(0),
        anchor: anchor(),
        segment,
        line_id: None,
        at: NOON,
    })
}

pub fn add_on_changed(quantity: i64) -> SubscriptionEvent {
    let charge = eur(quantity.saturating_mul(300));
    let segment = Segment { start: NOON, end: period(0).end, amount: charge };
    let add_on = add_on(quantity);
    SubscriptionEvent::AddOnChanged(AddOnChanged { add_on, credit: eur(0), charge, segment, line_id: None })
}

pub fn extended(ends_at: Timestamp) -> SubscriptionEvent {
    SubscriptionEvent::Extended(Extended { ends_at, reason: "outage".to_owned() })
}

pub fn restored() -> SubscriptionEvent {
    SubscriptionEvent::Restored(Restored { at: NOON })
}

/// Asks, and lets it happen.
///
/// # Panics
/// When the command is rejected.
pub fn ask(
    subscription: &mut Subscription,
    command: SubscriptionCommand,
    at: Timestamp,
) -> Vec<SubscriptionEvent> {
    let events = subscription.decide(command, at).expect("the command is accepted");
    events.iter().for_each(|event| subscription.evolve(event));
    events
}
