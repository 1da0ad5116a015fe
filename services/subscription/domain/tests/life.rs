//! Whole lives: what happens in which order, and what is charged for it.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use jiff::Timestamp;
use kernel::{Aggregate as _, DomainEvent as _};
use money::Money;
use proptest::prelude::*;
use subscription_domain::dunning::{Decline, Schedule};
use subscription_domain::samples::{
    NOON, add_on, ask, at, cancelling, changing, dearer, eur, invoice, later, monthly, subscribing, terms,
    yearly,
};
use subscription_domain::{
    BillingPeriod, Cancel, ChangeAddOn, Extend, Pause, RecordPaymentFailed, Rejection, Status, Subscribe,
    Subscription, SubscriptionCommand, SubscriptionEvent, TakeDunningStep, When,
};

fn subscribed(command: Subscribe) -> Subscription {
    let mut subscription = Subscription::default();
    ask(&mut subscription, SubscriptionCommand::Subscribe(command), NOON);
    subscription
}

/// Passes every boundary up to `until`; answers each period's beginning and what it costs.
fn catch_up(subscription: &mut Subscription, until: Timestamp) -> Vec<(Timestamp, i64)> {
    let mut periods = Vec::new();
    while let Ok(events) = subscription.decide(SubscriptionCommand::PassBoundary, until) {
        events.iter().for_each(|event| subscription.evolve(event));
        periods.extend(events.iter().filter_map(started));
    }
    periods
}

fn started(event: &SubscriptionEvent) -> Option<(Timestamp, i64)> {
    let SubscriptionEvent::PeriodStarted(started) = event else { return None };
    Some((started.period.start, started.charges.iter().map(|charge| charge.amount.minor()).sum()))
}

fn names(events: &[SubscriptionEvent]) -> Vec<&'static str> {
    events.iter().map(|event| event.name()).collect()
}

fn step() -> SubscriptionCommand {
    SubscriptionCommand::TakeDunningStep(TakeDunningStep { schedule: Schedule::default() })
}

fn failing(decline: Decline) -> SubscriptionCommand {
    SubscriptionCommand::RecordPaymentFailed(RecordPaymentFailed { invoice_id: invoice(1), decline })
}

#[test]
fn an_outage_of_three_months_is_caught_up_period_by_period() {
    let mut subscription = subscribed(subscribing(monthly()));
    let periods = catch_up(&mut subscription, at("2027-03-01T00:00:00Z"));
    let expected = ["2026-12-23T12:00:00Z", "2027-01-23T12:00:00Z", "2027-02-23T12:00:00Z"];
    assert_eq!(periods, expected.map(|start| (at(start), 2_000)));
    assert_eq!(subscription.cycle(), 4);
    assert_eq!(catch_up(&mut subscription, at("2027-03-01T00:00:00Z")), [], "asked again, nothing");
}

#[test]
fn a_trial_ends_in_a_paid_period_that_counts_from_there() {
    let mut subscription = subscribed(Subscribe { trial_days: 14, ..subscribing(monthly()) });
    assert_eq!(subscription.status(), Status::Trialing);
    assert_eq!(catch_up(&mut subscription, later(13)), []);
    assert_eq!(catch_up(&mut subscription, later(14)), [(later(14), 2_000)]);
    assert_eq!(subscription.period().unwrap().end, at("2027-01-07T12:00:00Z"));
}

#[test]
fn a_cancel_takes_effect_at_the_end_and_can_be_undone_until_then() {
    let mut subscription = subscribed(subscribing(monthly()));
    let cancel = || SubscriptionCommand::Cancel(cancelling(When::AtPeriodEnd));
    ask(&mut subscription, cancel(), later(1));
    assert!(subscription.status().entitles(), "until the period ends");
    ask(&mut subscription, SubscriptionCommand::UndoCancel, later(2));
    ask(&mut subscription, cancel(), later(3));
    assert_eq!(catch_up(&mut subscription, at("2027-01-01T00:00:00Z")), []);
    assert_eq!(subscription.status(), Status::Expired);
    let end = at("2026-12-23T12:00:00Z");
    assert_eq!(subscription.ended().unwrap().1, end, "when the period ended, not when the timer came");
    assert_eq!(
        subscription.decide(SubscriptionCommand::UndoCancel, end),
        Err(Rejection::WrongStatus { status: Status::Expired })
    );
}

#[test]
fn a_change_that_is_scheduled_comes_with_the_next_period() {
    let mut subscription = subscribed(subscribing(monthly()));
    ask(&mut subscription, SubscriptionCommand::Change(changing(yearly(), When::AtPeriodEnd)), later(3));
    assert_eq!(subscription.terms(), Some(&monthly()));
    let periods = catch_up(&mut subscription, at("2028-01-01T00:00:00Z"));
    assert_eq!(periods, [(at("2026-12-23T12:00:00Z"), 20_000), (at("2027-12-23T12:00:00Z"), 20_000)]);
    assert_eq!(subscription.terms(), Some(&yearly()));
}

#[test]
fn an_upgrade_that_was_paid_is_applied_at_the_price_that_was_shown() {
    let mut subscription = subscribed(subscribing(monthly()));
    let shown = later(15); // 15 of 30 days are left
    let paid = subscription_domain::Change { priced_at: Some(shown), ..changing(dearer(), When::Now) };
    let events = ask(&mut subscription, SubscriptionCommand::Change(paid.clone()), later(16));
    let SubscriptionEvent::PlanChanged(changed) = &events[0] else { panic!("{events:?}") };
    assert_eq!((changed.credit, changed.charge), (eur(1_000), eur(2_500)));
    // Another price from before that change is no longer one.
    let older = subscription_domain::Change { priced_at: Some(later(14)), ..changing(monthly(), When::Now) };
    let refused = subscription.decide(SubscriptionCommand::Change(older), later(16));
    assert_eq!(refused, Err(Rejection::PriceOutdated));
}

#[test]
fn a_debt_is_collected_by_the_schedule_and_recovered() {
    let mut subscription = subscribed(subscribing(monthly()));
    ask(&mut subscription, failing(Decline::Soft), NOON);
    assert!(subscription.status().entitles(), "grace");
    assert_eq!(subscription.due_at(&Schedule::default()), Some(later(1)));
    assert_eq!(subscription.decide(step(), NOON), Err(Rejection::NotDue { due_at: later(1) }));
    let events = ask(&mut subscription, step(), later(1));
    let SubscriptionEvent::DunningStepTaken(taken) = &events[0] else { panic!("{events:?}") };
    assert!(taken.retry && taken.letter == "payment_failed");
    ask(&mut subscription, failing(Decline::Soft), later(1));
    assert_eq!(subscription.due_at(&Schedule::default()), Some(later(3)));
    let events = ask(&mut subscription, SubscriptionCommand::RecordInvoicePaid(invoice(1)), later(2));
    assert_eq!(names(&events), ["subscription.recovered"]);
    assert_eq!(subscription.status(), Status::Active);
}

#[test]
fn a_stolen_card_is_written_about_and_not_charged_again() {
    let mut subscription = subscribed(subscribing(monthly()));
    ask(&mut subscription, failing(Decline::Hard), NOON);
    let events = ask(&mut subscription, step(), later(1));
    let SubscriptionEvent::DunningStepTaken(taken) = &events[0] else { panic!("{events:?}") };
    assert!(!taken.retry && !taken.letter.is_empty());
}

#[test]
fn a_debt_that_nobody_pays_ends_it_after_every_step() {
    let mut subscription = subscribed(subscribing(monthly()));
    ask(&mut subscription, failing(Decline::Soft), NOON);
    let mut days = Vec::new();
    while subscription.status() == Status::PastDue {
        let due = subscription.due_at(&Schedule::default()).unwrap();
        days.push(due.duration_since(NOON).as_hours() / 24);
        ask(&mut subscription, step(), due);
    }
    assert_eq!(days, [1, 3, 7, 12, 14]);
    assert_eq!(subscription.status(), Status::Cancelled);
}

#[test]
fn nothing_is_charged_on_top_of_a_debt_and_the_rest_is_caught_up_after() {
    let mut subscription = subscribed(subscribing(monthly()));
    ask(&mut subscription, failing(Decline::Soft), later(29));
    let wrong = Err(Rejection::WrongStatus { status: Status::PastDue });
    assert_eq!(subscription.decide(SubscriptionCommand::PassBoundary, later(35)), wrong);
    ask(&mut subscription, SubscriptionCommand::RecordInvoicePaid(invoice(1)), later(36));
    assert_eq!(catch_up(&mut subscription, later(36)), [(at("2026-12-23T12:00:00Z"), 2_000)]);
}

#[test]
fn a_rest_costs_no_day_and_gives_none() {
    let mut subscription = subscribed(subscribing(monthly()));
    let end = subscription.period().unwrap().end;
    let pause = Pause { resumes_at: Some(later(15)) };
    ask(&mut subscription, SubscriptionCommand::Pause(pause), later(10));
    assert!(!subscription.status().entitles());
    // The timer comes two days late; five days it is.
    ask(&mut subscription, SubscriptionCommand::Resume, later(17));
    let moved = subscription.period().unwrap();
    assert_eq!(moved.end.duration_since(end).as_hours(), 5 * 24);
    let periods = catch_up(&mut subscription, at("2027-02-10T00:00:00Z"));
    assert_eq!(periods, [(at("2026-12-28T12:00:00Z"), 2_000), (at("2027-01-28T12:00:00Z"), 2_000)]);
}

#[test]
fn an_end_now_gives_back_what_was_paid_for_the_rest() {
    let mut subscription = subscribed(subscribing(monthly()));
    let adding = ChangeAddOn { add_on: add_on(2), priced_at: Some(NOON), line_id: None };
    ask(&mut subscription, SubscriptionCommand::ChangeAddOn(adding), NOON);
    let cancel = Cancel { credit_unused: true, ..cancelling(When::Now) };
    let events = ask(&mut subscription, SubscriptionCommand::Cancel(cancel), later(15));
    let SubscriptionEvent::Cancelled(cancelled) = &events[0] else { panic!("{events:?}") };
    assert_eq!(cancelled.credit, eur(1_300), "half of 20 euros and of twice 3");
}

#[test]
fn an_add_on_is_charged_for_the_rest_and_then_with_every_period() {
    let mut subscription = subscribed(subscribing(monthly()));
    let adding = |quantity| {
        let add_on = add_on(quantity);
        SubscriptionCommand::ChangeAddOn(ChangeAddOn { add_on, priced_at: None, line_id: None })
    };
    let events = ask(&mut subscription, adding(2), later(20));
    let SubscriptionEvent::AddOnChanged(changed) = &events[0] else { panic!("{events:?}") };
    assert_eq!((changed.credit, changed.charge), (eur(0), eur(200)), "10 of 30 days of twice 3 euros");
    let periods = catch_up(&mut subscription, at("2026-12-24T00:00:00Z"));
    assert_eq!(periods, [(at("2026-12-23T12:00:00Z"), 2_600)]);
    let events = ask(&mut subscription, adding(0), at("2026-12-23T12:00:00Z"));
    let SubscriptionEvent::AddOnChanged(changed) = &events[0] else { panic!("{events:?}") };
    assert_eq!((changed.credit, changed.charge), (eur(600), eur(0)));
    assert_eq!(subscription.add_ons(), []);
}

#[test]
fn more_days_free_of_charge_move_the_next_period() {
    let mut subscription = subscribed(subscribing(monthly()));
    let extend = |ends_at| SubscriptionCommand::Extend(Extend { ends_at, reason: "outage".to_owned() });
    ask(&mut subscription, extend(later(40)), later(5));
    assert_eq!(catch_up(&mut subscription, later(39)), []);
    assert_eq!(catch_up(&mut subscription, later(40)), [(later(40), 2_000)]);
}

#[derive(Debug, Clone)]
enum Move {
    Wait(i64),
    Change(i64, bool),
    AddOn(i64),
    Pause,
    Resume,
    Fail,
    Pay,
    Step,
    Cancel(bool),
    Undo,
    Extend(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (1_i64..40).prop_map(Move::Wait),
        (0_i64..100_000, any::<bool>()).prop_map(|(price, now)| Move::Change(price, now)),
        (0_i64..5).prop_map(Move::AddOn),
        Just(Move::Pause),
        Just(Move::Resume),
        Just(Move::Fail),
        Just(Move::Pay),
        Just(Move::Step),
        any::<bool>().prop_map(Move::Cancel),
        Just(Move::Undo),
        (1_i64..20).prop_map(Move::Extend),
    ];
    proptest::collection::vec(one, 1..40)
}

fn command(one: &Move, subscription: &Subscription) -> Option<SubscriptionCommand> {
    Some(match one {
        Move::Wait(_) => return None,
        Move::Change(price, now) => {
            let when = if *now { When::Now } else { When::AtPeriodEnd };
            SubscriptionCommand::Change(changing(terms(4, *price, BillingPeriod::MONTH), when))
        }
        Move::AddOn(quantity) => {
            let add_on = add_on(*quantity);
            SubscriptionCommand::ChangeAddOn(ChangeAddOn { add_on, priced_at: None, line_id: None })
        }
        Move::Pause => SubscriptionCommand::Pause(Pause { resumes_at: None }),
        Move::Resume => SubscriptionCommand::Resume,
        Move::Fail => failing(Decline::Soft),
        Move::Pay => SubscriptionCommand::RecordInvoicePaid(invoice(1)),
        Move::Step => step(),
        Move::Cancel(now) => {
            let when = if *now { When::Now } else { When::AtPeriodEnd };
            SubscriptionCommand::Cancel(Cancel { credit_unused: true, ..cancelling(when) })
        }
        Move::Undo => SubscriptionCommand::UndoCancel,
        Move::Extend(days) => {
            let end = subscription.period()?.end;
            let ends_at = end.checked_add(jiff::SignedDuration::from_hours(days * 24)).unwrap();
            SubscriptionCommand::Extend(Extend { ends_at, reason: String::new() })
        }
    })
}

/// What an event asks for and what it gives back, in minor units.
fn money(event: &SubscriptionEvent) -> (i64, i64) {
    let minor = Money::minor;
    match event {
        SubscriptionEvent::PeriodStarted(event) => {
            (event.charges.iter().map(|one| minor(one.amount)).sum(), 0)
        }
        SubscriptionEvent::PlanChanged(event) => (minor(event.charge), minor(event.credit)),
        SubscriptionEvent::AddOnChanged(event) => (minor(event.charge), minor(event.credit)),
        SubscriptionEvent::Cancelled(event) => (0, minor(event.credit)),
        _ => (0, 0),
    }
}

proptest! {
    /// Whatever is asked in whatever order: never is more given back than was charged, periods
    /// follow each other without gap, and the state is the fold of the events.
    #[test]
    fn no_life_gives_back_more_than_was_charged(moves in moves()) {
        let mut subscription = Subscription::default();
        let begin = SubscriptionCommand::Subscribe(subscribing(monthly()));
        let mut history = ask(&mut subscription, begin, NOON);
        let mut now = NOON;
        for one in &moves {
            if let Move::Wait(days) = one {
                now = now.checked_add(jiff::SignedDuration::from_hours(days * 24)).unwrap();
            }
            while let Ok(events) = subscription.decide(SubscriptionCommand::PassBoundary, now) {
                events.iter().for_each(|event| subscription.evolve(event));
                history.extend(events);
            }
            let Some(command) = command(one, &subscription) else { continue };
            if let Ok(events) = subscription.decide(command, now) {
                events.iter().for_each(|event| subscription.evolve(event));
                history.extend(events);
            }
        }
        let (mut charged, mut credited, mut cycles) = (0, 0, 0);
        for event in &history {
            let (asked, given) = money(event);
            prop_assert!(asked >= 0 && given >= 0);
            (charged, credited) = (charged + asked, credited + given);
            prop_assert!(credited <= charged, "{credited} given back of {charged}: {history:?}");
            if let SubscriptionEvent::PeriodStarted(started) = event {
                cycles += 1;
                prop_assert_eq!(started.cycle, cycles);
                prop_assert!(started.period.start < started.period.end);
            }
        }
        prop_assert_eq!(Subscription::replay(&history), subscription);
    }
}
