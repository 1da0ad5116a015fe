//! Every status against every command, as one table: events by their last word, or the code of the
//! refusal. A change of a rule is a change of a cell.

use kernel::{Aggregate, DomainEvent};

use super::samples::*;
use crate::{
    DisputeOutcome, Payment, PaymentCommand, ProviderSnapshot, ProviderState, RefundOutcome, Status,
};

const COLUMNS: [&str; 11] = [
    "(nothing)",
    "created",
    "requires_action",
    "processing",
    "authorized",
    "contradicted",
    "partially_captured",
    "captured",
    "failed",
    "voided",
    "partially_refunded",
];

fn rows() -> Vec<(&'static str, PaymentCommand, [&'static str; 11])> {
    const NONE: &str = "payment_not_found";
    const CAPTURE: &str = "payment_not_capturable";
    const VOID: &str = "payment_not_voidable";
    const REFUND: &str = "payment_not_refundable";
    let refusal = |failure_code: &str| failure_code.to_owned();
    vec![
        ("create", PaymentCommand::Create(terms()), ["created", "", "", "", "", "", "", "", "", "", ""]),
        (
            "report action",
            report(redirect()),
            [NONE, "provider_accepted action_required", "", "", "", "action_required", "", "", "", "", ""],
        ),
        (
            "report processing",
            report(ProviderState::Processing),
            [
                NONE,
                "provider_accepted processing_started",
                "processing_started",
                "",
                "",
                "processing_started",
                "",
                "",
                "",
                "",
                "",
            ],
        ),
        (
            "report authorized",
            report(ProviderState::Authorized),
            [
                NONE,
                "provider_accepted authorized",
                "authorized",
                "authorized",
                "",
                "authorized",
                "",
                "",
                "",
                "",
                "",
            ],
        ),
        (
            "report a part",
            report_part(500, false),
            [
                NONE,
                "provider_accepted partially_captured",
                "partially_captured",
                "partially_captured",
                "partially_captured",
                "partially_captured",
                "partially_captured",
                "",
                "partially_captured",
                "partially_captured",
                "",
            ],
        ),
        (
            "report captured",
            report(ProviderState::Captured),
            [
                NONE,
                "provider_accepted captured",
                "captured",
                "captured",
                "captured",
                "captured",
                "captured",
                "",
                "captured",
                "captured",
                "",
            ],
        ),
        (
            "report failed",
            report(declined()),
            [NONE, "provider_accepted failed", "failed", "failed", "failed", "failed", "", "", "", "", ""],
        ),
        (
            "report voided",
            report(ProviderState::Voided),
            [NONE, "provider_accepted voided", "voided", "voided", "voided", "voided", "", "", "", "", ""],
        ),
        (
            "report other money",
            PaymentCommand::RecordProviderState(ProviderSnapshot {
                amount: eur(1),
                ..snapshot(ProviderState::Captured)
            }),
            [
                NONE,
                "provider_accepted contradicted",
                "contradicted",
                "contradicted",
                "contradicted",
                "contradicted",
                "contradicted",
                "contradicted",
                "contradicted",
                "contradicted",
                "contradicted",
            ],
        ),
        (
            "refuse create",
            PaymentCommand::RecordProviderRefusal { failure_code: refusal("unsupported"), decline: None },
            [NONE, "failed", "", "", "", "", "", "", "", "", ""],
        ),
        (
            "request capture",
            capture(None, false),
            [
                NONE,
                CAPTURE,
                CAPTURE,
                CAPTURE,
                "capture_requested",
                CAPTURE,
                "capture_requested",
                "",
                CAPTURE,
                CAPTURE,
                "",
            ],
        ),
        (
            "refuse capture",
            PaymentCommand::RecordCaptureRefusal { failure_code: refusal("lapsed") },
            [NONE, "", "", "", "", "", "", "", "", "", ""],
        ),
        (
            "request void",
            PaymentCommand::RequestVoid,
            [
                NONE,
                "void_requested",
                "void_requested",
                "void_requested",
                "void_requested",
                "void_requested",
                VOID,
                VOID,
                VOID,
                "",
                VOID,
            ],
        ),
        (
            "expire",
            PaymentCommand::Expire { voidable: true },
            [NONE, "failed", "void_requested", "void_requested", "void_requested", "", "", "", "", "", ""],
        ),
        (
            "request refund",
            refund(2, Some(100)),
            [
                NONE,
                REFUND,
                REFUND,
                REFUND,
                REFUND,
                REFUND,
                "refund_requested",
                "refund_requested",
                REFUND,
                REFUND,
                "refund_requested",
            ],
        ),
        (
            "report refund",
            report_refund(2, 100, RefundOutcome::Completed),
            [
                NONE,
                "provider_accepted captured refunded",
                "captured refunded",
                "captured refunded",
                "captured refunded",
                "captured refunded",
                "captured refunded",
                "refunded",
                "captured refunded",
                "captured refunded",
                "refunded",
            ],
        ),
        (
            "report dispute",
            report_dispute(100, DisputeOutcome::Open),
            [
                NONE,
                "provider_accepted captured dispute_opened",
                "captured dispute_opened",
                "captured dispute_opened",
                "captured dispute_opened",
                "captured dispute_opened",
                "captured dispute_opened",
                "dispute_opened",
                "captured dispute_opened",
                "captured dispute_opened",
                "dispute_opened",
            ],
        ),
    ]
}

fn answer(state: &Payment, command: PaymentCommand) -> String {
    match state.decide(command, AT) {
        Ok(events) => {
            let words: Vec<_> =
                events.iter().map(|event| event.name().trim_start_matches("payment.")).collect();
            words.join(" ")
        }
        Err(rejection) => rejection.code().to_owned(),
    }
}

#[test]
fn every_status_answers_every_command_as_the_table_says() {
    for (name, command, expected) in rows() {
        for (column, expected) in COLUMNS.into_iter().zip(expected) {
            let past = Status::from_name(column).map(past_of).unwrap_or_default();
            let state = Payment::replay(&past);
            assert_eq!(answer(&state, command.clone()), expected, "{name} when {column}");
        }
    }
}

#[test]
fn what_was_refunded_whole_answers_nothing_more() {
    let state = Payment::replay(&past_of(Status::Refunded));
    for (name, command, _) in rows() {
        let expected = match name {
            "request void" => "payment_not_voidable",
            "request refund" | "report refund" => "refund_exceeds_capture",
            "report other money" => "contradicted",
            "report dispute" => "dispute_opened",
            _ => "",
        };
        assert_eq!(answer(&state, command), expected, "{name}");
    }
}

#[test]
fn the_pasts_lead_where_they_say() {
    for status in Status::ALL {
        assert_eq!(Payment::replay(&past_of(status)).status(), status);
    }
}
