//! The rules, one command per file, and the guards that several of them share.

mod mark_line_fulfilled;
mod mark_line_reversed;
mod mark_line_unfulfillable;
mod open_invoice;
mod record_payment;
mod record_payment_failed;
mod record_refund;
mod start_payment;
mod void;

pub(crate) use mark_line_fulfilled::mark_line_fulfilled;
pub(crate) use mark_line_reversed::mark_line_reversed;
pub(crate) use mark_line_unfulfillable::mark_line_unfulfillable;
pub(crate) use open_invoice::open_invoice;
pub(crate) use record_payment::record_payment;
pub(crate) use record_payment_failed::record_payment_failed;
pub(crate) use record_refund::record_refund;
pub(crate) use start_payment::start_payment;
pub(crate) use void::void;

use ids::{LineId, PaymentId};

use crate::{Attempt, Invoice, Line, Opened, Rejection, Status};

pub(crate) type Decision = Result<Vec<crate::InvoiceEvent>, Rejection>;

/// It must have been opened.
fn opened(invoice: &Invoice) -> Result<&Opened, Rejection> {
    invoice.opened().ok_or(Rejection::NotOpened)
}

/// It must be waiting for payment.
fn payable(invoice: &Invoice) -> Result<&Opened, Rejection> {
    match invoice.status() {
        Status::Open | Status::Draft => opened(invoice),
        Status::Paid | Status::Refunded => Err(Rejection::AlreadyPaid),
        Status::Void => Err(Rejection::IsVoid),
    }
}

/// It must have been paid once; whether the money went back since matters to some rules only.
fn once_paid(invoice: &Invoice) -> Result<&Opened, Rejection> {
    match invoice.status() {
        Status::Paid | Status::Refunded | Status::Draft => opened(invoice),
        Status::Open => Err(Rejection::NotPaid),
        Status::Void => Err(Rejection::IsVoid),
    }
}

/// The payment must be one of its own.
fn attempt(invoice: &Invoice, payment: PaymentId) -> Result<&Attempt, Rejection> {
    invoice.attempt(payment).ok_or(Rejection::PaymentUnknown { payment })
}

/// The line must be one of its own.
fn line(invoice: &Invoice, line: LineId) -> Result<&Line, Rejection> {
    invoice.line(line).ok_or(Rejection::LineUnknown { line })
}
