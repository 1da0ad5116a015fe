//! Every state against every command: what is answered is one word, and the table is the rule book.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use invoicing_domain::samples::{
    NOON, TOTAL, an_open_command, delivered, failing, line_id, opened, paid, payment, refund_recorded,
    refunded, started, starting, voided, voiding,
};
use invoicing_domain::{
    Invoice, InvoiceCommand, InvoiceEvent, MarkLineFulfilled, MarkLineReversed, MarkLineUnfulfillable,
    RecordPayment, RecordRefund,
};
use kernel::{Aggregate, DomainEvent};

fn states() -> Vec<(&'static str, Vec<InvoiceEvent>)> {
    let paid_past = || vec![opened(), started(1), paid(1)];
    let with = |mut past: Vec<_>, event| {
        past.push(event);
        past
    };
    let gone = || with(with(with(paid_past(), delivered(0)), refund_recorded(1, TOTAL)), refunded());
    vec![
        ("draft", vec![]),
        ("open", vec![opened(), started(1)]),
        ("paid", paid_past()),
        ("void", vec![opened(), started(1), voided()]),
        ("refunded", gone()),
    ]
}

fn commands() -> Vec<(&'static str, InvoiceCommand)> {
    let receipt = || "receipt".to_owned();
    vec![
        ("open_invoice", InvoiceCommand::Open(an_open_command())),
        ("start_payment", InvoiceCommand::StartPayment(starting(2))),
        (
            "record_payment",
            InvoiceCommand::RecordPayment(RecordPayment { payment_id: payment(1), amount: TOTAL }),
        ),
        ("record_payment_failed", InvoiceCommand::RecordPaymentFailed(failing(1))),
        (
            "record_refund",
            InvoiceCommand::RecordRefund(RecordRefund { payment_id: payment(1), refunded_total: TOTAL }),
        ),
        (
            "mark_line_fulfilled",
            InvoiceCommand::MarkLineFulfilled(MarkLineFulfilled { line_id: line_id(1), receipt: receipt() }),
        ),
        (
            "mark_line_unfulfillable",
            InvoiceCommand::MarkLineUnfulfillable(MarkLineUnfulfillable {
                line_id: line_id(1),
                reason: "bundle_gone".to_owned(),
            }),
        ),
        (
            "mark_line_reversed",
            InvoiceCommand::MarkLineReversed(MarkLineReversed { line_id: line_id(0), receipt: receipt() }),
        ),
        ("void", InvoiceCommand::Void(voiding())),
    ]
}

/// Columns: draft, open, paid, void, refunded.
const TABLE: &str = "
open_invoice            | invoice.opened | !invoice_already_opened | !invoice_already_opened | !invoice_already_opened | !invoice_already_opened
start_payment           | !invoice_not_found | invoice.payment_started | !invoice_already_paid | !invoice_void | !invoice_already_paid
record_payment          | !invoice_not_found | invoice.paid | - | invoice.payment_surplus_detected | -
record_payment_failed   | !invoice_not_found | invoice.payment_failed | !payment_already_captured | invoice.payment_failed | !payment_already_captured
record_refund           | !invoice_not_found | !payment_not_captured | invoice.refund_recorded invoice.refunded | !payment_not_captured | -
mark_line_fulfilled     | !invoice_not_found | !invoice_not_paid | invoice.line_fulfilled | !invoice_void | invoice.line_fulfilled
mark_line_unfulfillable | !invoice_not_found | !invoice_not_paid | invoice.line_unfulfillable | !invoice_void | invoice.line_unfulfillable
mark_line_reversed      | !invoice_not_found | !invoice_not_paid | !line_not_delivered | !invoice_void | invoice.line_reversed
void                    | !invoice_not_found | invoice.voided | !invoice_already_paid | - | !invoice_already_paid
";

fn answer(past: &[InvoiceEvent], command: InvoiceCommand) -> String {
    match Invoice::replay(past).decide(command, NOON) {
        Ok(events) if events.is_empty() => "-".to_owned(),
        Ok(events) => events.iter().map(DomainEvent::name).collect::<Vec<_>>().join(" "),
        Err(rejection) => format!("!{}", rejection.code()),
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
