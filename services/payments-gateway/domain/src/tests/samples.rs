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
    PaymentEvent::CaptureRequested(CaptureRequested {})
}

pub fn captured(late: bool) -> PaymentEvent {
    let Terms { invoice_id, amount, provider, .. } = terms();
    PaymentEvent::Captured(Captured { invoice_id, amount, provider, late })
}

pub fn failed(code: &str) -> PaymentEvent {
    PaymentEvent::Failed(Failed { invoice_id: terms().invoice_id, failure_code: code.to_owned() })
}

pub fn void_requested(reason: VoidReason) -> PaymentEvent {
    PaymentEvent::VoidRequested(VoidRequested { reason })
}

pub fn voided() -> PaymentEvent {
    PaymentEvent::Voided(Voided { invoice_id: terms().invoice_id })
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
    ProviderSnapshot { reference: REFERENCE.to_owned(), state, amount: eur(1000), refunds: Vec::new() }
}

pub fn report(state: ProviderState) -> PaymentCommand {
    PaymentCommand::RecordProviderState(snapshot(state))
}

pub fn report_refund(nth: u32, minor: i64, outcome: RefundOutcome) -> PaymentCommand {
    let refunds = vec![ProviderRefund { refund_id: refund_id(nth), amount: eur(minor), outcome }];
    PaymentCommand::RecordProviderState(ProviderSnapshot { refunds, ..snapshot(ProviderState::Captured) })
}

pub fn declined() -> ProviderState {
    ProviderState::Failed { failure_code: "card_declined".to_owned() }
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
