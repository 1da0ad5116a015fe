//! Laws that hold whatever is asked, in whatever order.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use invoicing_domain::samples::{
    NOON, TOTAL, an_open_command, eur, failing, line_id, payment, priced, starting, voiding,
};
use invoicing_domain::{
    AttemptOutcome, Invoice, InvoiceCommand, InvoiceEvent, LineStatus, MarkLineFulfilled, MarkLineReversed,
    MarkLineUnfulfillable, RecordPayment, RecordRefund, Status,
};
use kernel::{Aggregate, DomainEvent};
use proptest::prelude::*;

fn any_command() -> impl Strategy<Value = InvoiceCommand> {
    let nth = || 1u128..4;
    let place = || 0usize..2;
    let receipt = || "receipt".to_owned();
    prop_oneof![
        Just(InvoiceCommand::Open(an_open_command())),
        nth().prop_map(|nth| InvoiceCommand::StartPayment(starting(nth))),
        (nth(), prop_oneof![4 => Just(TOTAL), 1 => Just(eur(1))]).prop_map(|(nth, amount)| {
            InvoiceCommand::RecordPayment(RecordPayment { payment_id: payment(nth), amount })
        }),
        nth().prop_map(|nth| InvoiceCommand::RecordPaymentFailed(failing(nth))),
        (nth(), prop_oneof![Just(500), Just(TOTAL.minor())]).prop_map(|(nth, minor)| {
            let refunded_total = eur(minor);
            InvoiceCommand::RecordRefund(RecordRefund { payment_id: payment(nth), refunded_total })
        }),
        place().prop_map(move |place| {
            let command = MarkLineFulfilled { line_id: line_id(place), receipt: receipt() };
            InvoiceCommand::MarkLineFulfilled(command)
        }),
        place().prop_map(|place| {
            let reason = "bundle_gone".to_owned();
            InvoiceCommand::MarkLineUnfulfillable(MarkLineUnfulfillable { line_id: line_id(place), reason })
        }),
        place().prop_map(move |place| {
            let command = MarkLineReversed { line_id: line_id(place), receipt: receipt() };
            InvoiceCommand::MarkLineReversed(command)
        }),
        Just(InvoiceCommand::Void(voiding())),
    ]
}

/// Asks one after the other and keeps what happened.
fn live(commands: Vec<InvoiceCommand>) -> (Invoice, Vec<InvoiceEvent>) {
    let (mut state, mut history) = (Invoice::default(), Vec::new());
    for command in commands {
        for event in state.decide(command, NOON).unwrap_or_default() {
            state.evolve(&event);
            history.push(event);
        }
    }
    (state, history)
}

fn count(history: &[InvoiceEvent], name: &str) -> usize {
    history.iter().filter(|event| event.name() == name).count()
}

proptest! {
    #[test]
    fn replay_equals_live(commands in prop::collection::vec(any_command(), 0..60)) {
        let (state, history) = live(commands);
        let stored: Vec<InvoiceEvent> = history
            .iter()
            .map(|event| InvoiceEvent::restore(event.name(), event.version(), event.payload()).unwrap())
            .collect();
        prop_assert_eq!(Invoice::replay(&stored), state);
    }

    #[test]
    fn an_invoice_is_opened_paid_fulfilled_voided_and_refunded_at_most_once(
        commands in prop::collection::vec(any_command(), 0..60)
    ) {
        let (state, history) = live(commands);
        for once in ["invoice.opened", "invoice.paid", "invoice.fulfilled", "invoice.voided", "invoice.refunded"] {
            prop_assert!(count(&history, once) <= 1, "{once} {history:?}");
        }
        prop_assert!(count(&history, "invoice.paid") + count(&history, "invoice.voided") <= 1);
        let paying = state.attempts().iter().filter(|attempt| attempt.outcome == AttemptOutcome::Paid);
        prop_assert!(paying.count() <= 1);
    }

    #[test]
    fn money_never_goes_missing(commands in prop::collection::vec(any_command(), 0..60)) {
        let (state, _) = live(commands);
        for attempt in state.attempts() {
            let captured = attempt.captured.map_or(0, |amount| amount.minor());
            prop_assert!(attempt.refunded_minor <= captured);
            let arrived = matches!(attempt.outcome, AttemptOutcome::Paid | AttemptOutcome::Surplus);
            prop_assert_eq!(arrived, attempt.captured.is_some());
            if attempt.outcome == AttemptOutcome::Paid {
                prop_assert_eq!(attempt.captured, state.opened().map(|opened| opened.total));
            }
        }
    }

    #[test]
    fn nothing_is_delivered_unpaid(commands in prop::collection::vec(any_command(), 0..60)) {
        let (state, _) = live(commands);
        let touched = state.lines().iter().any(|line| line.status != LineStatus::Pending);
        prop_assert!(!touched || matches!(state.status(), Status::Paid | Status::Refunded));
    }

    #[test]
    fn the_sum_of_the_lines_is_the_total(lines in prop::collection::vec((0i64..1_000_000, 1i64..1_000), 1..100)) {
        let priced = priced(&lines);
        let expected: i64 = lines.iter().map(|(price, quantity)| price * quantity).sum();
        prop_assert_eq!(priced.total().minor(), expected);
        let sum: i64 = priced.lines().iter().map(|line| line.total.minor()).sum();
        prop_assert_eq!(sum, expected);
    }
}
