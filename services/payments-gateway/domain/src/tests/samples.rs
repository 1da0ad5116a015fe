//! Named facts: one payment of ten euros by sandbox card, and how far it can be.

use ids::{InvoiceId, RefundId, UserId};
use jiff::Timestamp;
use money::{Currency, Money};

use crate::*;

pub const AT: Timestamp = Timestamp::UNIX_EPOCH;
pub const REFERENCE: &str = "pay_1";

pub fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

pub fn terms() -> Terms {
    Terms {
        invoice_id: InvoiceId::derived(&["invoice"]),
        user_id: UserId::derived(&["user"]),
        amount: eur(1000),
        method: "sandbox_card".to_owned(),
        provider: "sandbox".to_owned(),
        return_url: "https://shop.example/return".to_owned(),
        description: "Invoice 1".to_owned(),
        capture: CaptureMode::Automatic,
        saved_method: None,
        off_session: false,
        save_method: false,
    }
}

pub fn refund_id(nth: u32) -> RefundId {
    RefundId::derived(&["refund", &nth.to_string()])
}

pub fn created() -> PaymentEvent {
    PaymentEvent::Created(Created { terms: terms(), created_at: AT })
}

pub fn accepted() -> PaymentEvent {
    PaymentEvent::ProviderAccepted(ProviderAccepted { provider_reference: REFERENCE.to_owned() })
}

pub fn action_required() -> PaymentEvent {
    PaymentEvent::ActionRequired(ActionRequired { redirect_url: "https://pay.example/pay_1".to_owned() })
}

pub fn processing_started() -> PaymentEvent {
    PaymentEvent::ProcessingStarted(ProcessingStarted {})
}

pub fn authorized() -> PaymentEvent {
    PaymentEvent::Authorized(Authorized { amount: eur(1000) })
}

pub fn capture_requested() -> PaymentEvent {
    PaymentEvent::CaptureRequested(CaptureRequested { amount: None, keep_rest: false, operation_id: None })
}

pub fn captured(late: bool) -> PaymentEvent {
    let Terms { invoice_id, amount, provider, .. } = terms();
    PaymentEvent::Captured(Captured { invoice_id, amount, provider, late })
}

pub fn failed(code: &str) -> PaymentEvent {
    let (invoice_id, failure_code) = (terms().invoice_id, code.to_owned());
    PaymentEvent::Failed(Failed { invoice_id, failure_code, decline: None })
}

pub fn void_requested(reason: VoidReason) -> PaymentEvent {
    PaymentEvent::VoidRequested(VoidRequested { reason })
}

pub fn voided() -> PaymentEvent {
    PaymentEvent::Voided(Voided { invoice_id: terms().invoice_id })
}

pub fn declined_softly() -> PaymentEvent {
    let (invoice_id, failure_code) = (terms().invoice_id, "card_declined".to_owned());
    PaymentEvent::Failed(Failed { invoice_id, failure_code, decline: Some(Decline::InsufficientFunds) })
}

pub fn capture(minor: Option<i64>, keep_rest: bool) -> PaymentCommand {
    PaymentCommand::RequestCapture(CaptureRequest { amount: minor.map(eur), keep_rest, operation_id: None })
}

pub fn capture_part_requested(minor: i64, keep_rest: bool) -> PaymentEvent {
    PaymentEvent::CaptureRequested(CaptureRequested {
        amount: Some(eur(minor)),
        keep_rest,
        operation_id: None,
    })
}

pub fn part_captured(minor: i64, total: i64, rest_reserved: bool) -> PaymentEvent {
    let Terms { invoice_id, provider, .. } = terms();
    PaymentEvent::PartiallyCaptured(PartiallyCaptured {
        invoice_id,
        amount: eur(minor),
        captured_total: eur(total),
        provider,
        rest_reserved,
        late: false,
    })
}

pub fn rest_released(minor: i64) -> PaymentEvent {
    PaymentEvent::RestReleased(RestReleased { amount: eur(minor) })
}

fn disputed(minor: i64) -> Disputed {
    Disputed {
        invoice_id: terms().invoice_id,
        dispute_reference: "dp_1".to_owned(),
        amount: eur(minor),
        reason: "fraudulent".to_owned(),
    }
}

pub fn dispute_opened(minor: i64) -> PaymentEvent {
    PaymentEvent::DisputeOpened(disputed(minor))
}

pub fn dispute_won(minor: i64) -> PaymentEvent {
    PaymentEvent::DisputeWon(disputed(minor))
}

pub fn dispute_lost(minor: i64) -> PaymentEvent {
    PaymentEvent::DisputeLost(disputed(minor))
}

pub fn report_dispute(minor: i64, outcome: DisputeOutcome) -> PaymentCommand {
    let Disputed { dispute_reference: reference, amount, reason, .. } = disputed(minor);
    let disputes = vec![ProviderDispute { reference, amount, reason, outcome }];
    PaymentCommand::RecordProviderState(ProviderSnapshot { disputes, ..snapshot(ProviderState::Captured) })
}

pub fn report_part(minor: i64, rest_reserved: bool) -> PaymentCommand {
    report(ProviderState::PartiallyCaptured { captured: eur(minor), rest_reserved })
}

pub fn contradicted(reported: Money, state: &str) -> PaymentEvent {
    let Terms { invoice_id, provider, amount: expected, .. } = terms();
    PaymentEvent::Contradicted(Contradicted {
        invoice_id,
        provider,
        expected,
        reported,
        state: state.to_owned(),
    })
}

pub fn refund(nth: u32, minor: Option<i64>) -> PaymentCommand {
    let (refund_id, amount) = (refund_id(nth), minor.map(eur));
    PaymentCommand::RequestRefund(RefundRequest { refund_id, amount, reason: "goodwill".to_owned() })
}

pub fn refund_requested(nth: u32, minor: i64) -> PaymentEvent {
    let (refund_id, amount) = (refund_id(nth), eur(minor));
    PaymentEvent::RefundRequested(RefundRequested { refund_id, amount, reason: "goodwill".to_owned() })
}

pub fn refunded(nth: u32, minor: i64, total: i64) -> PaymentEvent {
    PaymentEvent::Refunded(Refunded {
        invoice_id: terms().invoice_id,
        refund_id: refund_id(nth),
        amount: eur(minor),
        refunded_total: eur(total),
    })
}

pub fn refund_failed(nth: u32) -> PaymentEvent {
    let (refund_id, failure_code) = (refund_id(nth), "account_closed".to_owned());
    PaymentEvent::RefundFailed(RefundFailed { refund_id, failure_code })
}

pub fn until_action_required() -> Vec<PaymentEvent> {
    vec![created(), accepted(), action_required()]
}

pub fn until_authorized() -> Vec<PaymentEvent> {
    vec![created(), accepted(), authorized()]
}

pub fn until_captured() -> Vec<PaymentEvent> {
    vec![created(), accepted(), captured(false)]
}

pub fn snapshot(state: ProviderState) -> ProviderSnapshot {
    ProviderSnapshot::new(REFERENCE.to_owned(), state, eur(1000))
}

pub fn report(state: ProviderState) -> PaymentCommand {
    PaymentCommand::RecordProviderState(snapshot(state))
}

pub fn report_refund(nth: u32, minor: i64, outcome: RefundOutcome) -> PaymentCommand {
    let refunds = vec![ProviderRefund { refund_id: refund_id(nth), amount: eur(minor), outcome }];
    PaymentCommand::RecordProviderState(ProviderSnapshot { refunds, ..snapshot(ProviderState::Captured) })
}

pub fn declined() -> ProviderState {
    ProviderState::Failed { failure_code: "card_declined".to_owned(), decline: None }
}

pub fn redirect() -> ProviderState {
    ProviderState::RequiresAction { redirect_url: "https://pay.example/pay_1".to_owned() }
}

/// One past per status.
pub fn past_of(status: Status) -> Vec<PaymentEvent> {
    match status {
        Status::Created => vec![created()],
        Status::RequiresAction => until_action_required(),
        Status::Processing => vec![created(), accepted(), processing_started()],
        Status::Authorized => until_authorized(),
        Status::Contradicted => vec![created(), accepted(), contradicted(eur(999), "captured")],
        Status::PartiallyCaptured => [until_authorized(), vec![part_captured(400, 400, true)]].concat(),
        Status::Captured => until_captured(),
        Status::Failed => vec![created(), accepted(), failed("card_declined")],
        Status::Voided => vec![created(), accepted(), void_requested(VoidReason::Requested), voided()],
        Status::PartiallyRefunded => {
            [until_captured(), vec![refund_requested(1, 400), refunded(1, 400, 400)]].concat()
        }
        Status::Refunded => {
            [until_captured(), vec![refund_requested(1, 1000), refunded(1, 1000, 1000)]].concat()
        }
    }
}
