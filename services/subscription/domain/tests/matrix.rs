//! Every state against every command: what is answered is one word, and the table is the rule book.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use jiff::Timestamp;
use kernel::{Aggregate, DomainEvent};
use subscription_domain::dunning::{Decline, Schedule};
use subscription_domain::samples::{
    add_on, cancelled, cancelling, changing, customer, dearer, eur, expired, invoice, later, monthly,
    past_due, paused, running, subscribing, trialing, with,
};
use subscription_domain::{
    CancelReason, ChangeAddOn, Extend, Pause, RecordPaymentFailed, Subscription, SubscriptionCommand,
    SubscriptionEvent, TakeDunningStep, When,
};

/// When everything is asked: after the first step of the schedule, before the end of trial or period.
fn now() -> Timestamp {
    later(12)
}

fn states() -> Vec<(&'static str, Vec<SubscriptionEvent>)> {
    vec![
        ("none", vec![]),
        ("trialing", trialing()),
        ("active", running()),
        ("past_due", with(running(), [past_due()])),
        ("paused", with(running(), [paused(None)])),
        ("cancelled", with(running(), [cancelled(customer(), eur(0), later(11))])),
        ("refunded", with(running(), [cancelled(CancelReason::Refunded, eur(0), later(11))])),
        ("expired", with(running(), [expired()])),
    ]
}

fn commands() -> Vec<(&'static str, SubscriptionCommand)> {
    let failing = RecordPaymentFailed { invoice_id: invoice(1), decline: Decline::Soft };
    let adding = ChangeAddOn { add_on: add_on(2), priced_at: None, line_id: None };
    let extending = Extend { ends_at: later(90), reason: "outage".to_owned() };
    vec![
        ("subscribe", SubscriptionCommand::Subscribe(subscribing(monthly()))),
        ("pass_boundary", SubscriptionCommand::PassBoundary),
        ("record_payment_failed", SubscriptionCommand::RecordPaymentFailed(failing)),
        ("record_invoice_paid", SubscriptionCommand::RecordInvoicePaid(invoice(1))),
        (
            "take_dunning_step",
            SubscriptionCommand::TakeDunningStep(TakeDunningStep { schedule: Schedule::default() }),
        ),
        ("cancel_now", SubscriptionCommand::Cancel(cancelling(When::Now))),
        ("cancel_at_end", SubscriptionCommand::Cancel(cancelling(When::AtPeriodEnd))),
        ("undo_cancel", SubscriptionCommand::UndoCancel),
        ("pause", SubscriptionCommand::Pause(Pause { resumes_at: None })),
        ("resume", SubscriptionCommand::Resume),
        ("change_now", SubscriptionCommand::Change(changing(dearer(), When::Now))),
        ("change_at_end", SubscriptionCommand::Change(changing(dearer(), When::AtPeriodEnd))),
        ("drop_change", SubscriptionCommand::DropScheduledChange),
        ("change_add_on", SubscriptionCommand::ChangeAddOn(adding)),
        ("extend", SubscriptionCommand::Extend(extending)),
        ("restore", SubscriptionCommand::Restore),
    ]
}

/// Columns: none, trialing, active, past_due, paused, cancelled, cancelled by a refund, expired.
/// Short: `unknown` subscription_unknown, `exists`, `wrong` subscription_status_wrong.
const TABLE: &str = "
subscribe             | created activated period_started | !exists | !exists | !exists | !exists | !exists | !exists | !exists
pass_boundary         | !unknown | !not_due | !not_due | !wrong | !wrong | !wrong | !wrong | !wrong
record_payment_failed | !unknown | - | past_due | retry_failed | - | - | - | -
record_invoice_paid   | !unknown | - | - | recovered | - | - | - | -
take_dunning_step     | !unknown | !wrong | !wrong | dunning_step_taken | !wrong | !wrong | !wrong | !wrong
cancel_now            | !unknown | cancelled | cancelled | cancelled | cancelled | - | - | -
cancel_at_end         | !unknown | cancel_scheduled | cancel_scheduled | !wrong | !wrong | - | - | -
undo_cancel           | !unknown | !no_cancel_scheduled | !no_cancel_scheduled | !wrong | !no_cancel_scheduled | !wrong | !wrong | !wrong
pause                 | !unknown | !wrong | paused | !wrong | - | !wrong | !wrong | !wrong
resume                | !unknown | !wrong | !wrong | !wrong | resumed | !wrong | !wrong | !wrong
change_now            | !unknown | plan_changed | plan_changed | !payment_due | !wrong | !wrong | !wrong | !wrong
change_at_end         | !unknown | change_scheduled | change_scheduled | !payment_due | !wrong | !wrong | !wrong | !wrong
drop_change           | !unknown | !no_change_scheduled | !no_change_scheduled | !no_change_scheduled | !no_change_scheduled | !no_change_scheduled | !no_change_scheduled | !no_change_scheduled
change_add_on         | !unknown | add_on_changed | add_on_changed | !payment_due | !wrong | !wrong | !wrong | !wrong
extend                | !unknown | extended | extended | !wrong | !wrong | !wrong | !wrong | !wrong
restore               | !unknown | - | - | - | - | !wrong | restored | !wrong
";

fn answer(past: &[SubscriptionEvent], command: SubscriptionCommand) -> String {
    match Subscription::replay(past).decide(command, now()) {
        Ok(events) if events.is_empty() => "-".to_owned(),
        Ok(events) => {
            let short = |event: &SubscriptionEvent| event.name().replace("subscription.", "");
            events.iter().map(short).collect::<Vec<_>>().join(" ")
        }
        Err(rejection) => {
            format!("!{}", rejection.code().replace("subscription_", "").replace("status_wrong", "wrong"))
        }
    }
}

#[test]
fn every_state_answers_every_command_as_the_table_says() {
    let rows: Vec<Vec<&str>> =
        TABLE.trim().lines().map(|row| row.split('|').map(str::trim).collect()).collect();
    let commands = commands();
    assert_eq!(rows.len(), commands.len(), "one row per command");
    for (row, (name, command)) in rows.iter().zip(commands) {
        assert_eq!(row[0], name);
        assert_eq!(row.len(), states().len() + 1, "one column per state in {name}");
        for ((state, past), expected) in states().iter().zip(&row[1..]) {
            assert_eq!(answer(past, command.clone()), *expected, "{name} when {state}");
        }
    }
}
