//! Named facts for tests: one invoice of two lines and everything that can happen to it.
#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::expect_used,
    reason = "named facts, for tests only"
)]

use ids::{LineId, PaymentId, UserId};
use jiff::Timestamp;
use kernel::macros::serde_json::json;
use money::{Currency, Money};

use crate::{
    Cart, CartLine, InvoiceEvent, InvoiceFulfilled, InvoiceNumber, InvoiceOpened, InvoicePaid,
    InvoiceRefunded, InvoiceVoided, LineFulfilled, LineReversed, LineUnfulfillable, OpenInvoice, OpenedLine,
    PaymentFailed, PaymentStarted, PaymentSurplusDetected, Pipeline, Priced, RecordPaymentFailed,
    RefundRecorded, StartPayment, SurplusReason, Void,
};

/// 2026-11-23T12:00:00Z.
pub const NOON: Timestamp = Timestamp::constant(1_795_435_200, 0);
/// How many lines the invoice has.
pub const LINES: usize = 2;
/// What the invoice costs.
pub const TOTAL: Money = Money::new(4_498, Currency::EUR);

pub fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

/// A cart of lines with these unit prices in euro cents and quantities.
pub fn cart_of(lines: &[(i64, i64)]) -> Cart {
    let lines = lines.iter().enumerate().map(|(place, (price, quantity))| CartLine {
        line_id: line_id(place),
        kind: "token_bundle".to_owned(),
        item_id: format!("bundle-{place}"),
        quantity: *quantity,
        description: format!("Bundle {place}"),
        unit_price: eur(*price),
        tax_class: "digital".to_owned(),
        terms_json: json!({"tokens": 100}).to_string(),
        total: eur(0),
    });
    Cart { currency: Currency::EUR, billing_country: "DE".to_owned(), lines: lines.collect() }
}

pub fn priced(lines: &[(i64, i64)]) -> Priced {
    Pipeline::standard().price(cart_of(lines)).expect("a cart within limits")
}

pub fn a_free_cart() -> Priced {
    priced(&[(0, 1)])
}

pub fn an_open_command() -> OpenInvoice {
    OpenInvoice {
        number: number(),
        user_id: user(),
        priced: priced(&[(1_999, 2), (500, 1)]),
        due_at: Timestamp::constant(1_795_521_600, 0),
    }
}

pub fn number() -> InvoiceNumber {
    InvoiceNumber { series: "INV".to_owned(), year: 2026, sequence: 42 }
}

pub fn user() -> UserId {
    UserId::derived(&["customer"])
}

pub fn line_id(place: usize) -> LineId {
    LineId::derived(&["line", &place.to_string()])
}

pub fn payment(nth: u128) -> PaymentId {
    PaymentId::derived(&["payment", &nth.to_string()])
}

pub fn starting(nth: u128) -> StartPayment {
    StartPayment {
        payment_id: payment(nth),
        method: "sandbox_card".to_owned(),
        return_url: "https://shop.example/back".to_owned(),
    }
}

pub fn failing(nth: u128) -> RecordPaymentFailed {
    RecordPaymentFailed { payment_id: payment(nth), failure_code: "card_declined".to_owned() }
}

pub fn voiding() -> Void {
    Void { reason: "expired".to_owned() }
}

pub fn opened() -> InvoiceEvent {
    opening(an_open_command().priced)
}

/// The opening of the invoice with these lines.
pub fn opening(priced: Priced) -> InvoiceEvent {
    let command = an_open_command();
    let (lines, total, billing_country) = priced.into_parts();
    let lines = lines.into_iter().map(|line| OpenedLine {
        line_id: line.line_id,
        kind: line.kind,
        item_id: line.item_id,
        description: line.description,
        quantity: line.quantity,
        unit_price: line.unit_price,
        total: line.total,
        tax_class: line.tax_class,
        terms_json: line.terms_json,
    });
    InvoiceEvent::Opened(InvoiceOpened {
        number: command.number,
        user_id: command.user_id,
        lines: lines.collect(),
        total,
        billing_country,
        due_at: command.due_at,
        at: NOON,
    })
}

pub fn started(nth: u128) -> InvoiceEvent {
    let StartPayment { payment_id, method, return_url } = starting(nth);
    InvoiceEvent::PaymentStarted(PaymentStarted { payment_id, method, return_url })
}

pub fn failed(nth: u128) -> InvoiceEvent {
    let RecordPaymentFailed { payment_id, failure_code } = failing(nth);
    InvoiceEvent::PaymentFailed(PaymentFailed { payment_id, failure_code })
}

pub fn paid(nth: u128) -> InvoiceEvent {
    let payment_id = Some(payment(nth));
    InvoiceEvent::Paid(InvoicePaid { payment_id, amount: TOTAL, number: number(), user_id: user(), at: NOON })
}

pub fn paid_for_nothing() -> InvoiceEvent {
    let paid = InvoicePaid { payment_id: None, amount: eur(0), number: number(), user_id: user(), at: NOON };
    InvoiceEvent::Paid(paid)
}

pub fn surplus(nth: u128, reason: SurplusReason) -> InvoiceEvent {
    let surplus = PaymentSurplusDetected { payment_id: payment(nth), amount: TOTAL, reason };
    InvoiceEvent::PaymentSurplusDetected(surplus)
}

pub fn refund_recorded(nth: u128, refunded_total: Money) -> InvoiceEvent {
    InvoiceEvent::RefundRecorded(RefundRecorded { payment_id: payment(nth), refunded_total })
}

pub fn refunded() -> InvoiceEvent {
    InvoiceEvent::Refunded(InvoiceRefunded { total: TOTAL, at: NOON })
}

pub fn delivered(place: usize) -> InvoiceEvent {
    let receipt = format!("receipt-{place}");
    InvoiceEvent::LineFulfilled(LineFulfilled { line_id: line_id(place), receipt })
}

pub fn unfulfillable(place: usize) -> InvoiceEvent {
    let (reason, refund) = ("bundle_gone".to_owned(), [eur(3_998), eur(500)][place]);
    InvoiceEvent::LineUnfulfillable(LineUnfulfillable { line_id: line_id(place), reason, refund })
}

pub fn reversed(place: usize) -> InvoiceEvent {
    let receipt = format!("receipt-{place}");
    InvoiceEvent::LineReversed(LineReversed { line_id: line_id(place), receipt })
}

pub fn fulfilled() -> InvoiceEvent {
    InvoiceEvent::Fulfilled(InvoiceFulfilled { user_id: user(), at: NOON })
}

pub fn voided() -> InvoiceEvent {
    InvoiceEvent::Voided(InvoiceVoided { reason: "expired".to_owned(), at: NOON })
}
