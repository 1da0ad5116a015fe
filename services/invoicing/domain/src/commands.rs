//! What can be asked of an invoice. When you add one, also add its file in `decide/`, its line in
//! `invoice.rs` and its row in `tests/matrix.rs`.

use ids::{LineId, PaymentId, UserId};
use jiff::Timestamp;
use money::Money;

use crate::{InvoiceNumber, Priced};

/// Any command.
#[derive(Debug, Clone, PartialEq)]
pub enum InvoiceCommand {
    /// See [`OpenInvoice`].
    Open(OpenInvoice),
    /// See [`StartPayment`].
    StartPayment(StartPayment),
    /// See [`RecordPayment`].
    RecordPayment(RecordPayment),
    /// See [`RecordPaymentFailed`].
    RecordPaymentFailed(RecordPaymentFailed),
    /// See [`RecordRefund`].
    RecordRefund(RecordRefund),
    /// See [`MarkLineFulfilled`].
    MarkLineFulfilled(MarkLineFulfilled),
    /// See [`MarkLineUnfulfillable`].
    MarkLineUnfulfillable(MarkLineUnfulfillable),
    /// See [`MarkLineReversed`].
    MarkLineReversed(MarkLineReversed),
    /// See [`Void`].
    Void(Void),
}

/// Finalises a draft: it gets its number, and its lines stand.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenInvoice {
    /// The number that was allotted to it.
    pub number: InvoiceNumber,
    /// Who buys.
    pub user_id: UserId,
    /// What is bought, at which prices.
    pub priced: Priced,
    /// Until when it can be paid.
    pub due_at: Timestamp,
}

/// Starts an attempt to pay.
#[derive(Debug, Clone, PartialEq)]
pub struct StartPayment {
    /// The payment that will be made.
    pub payment_id: PaymentId,
    /// Method code, `sandbox_card`.
    pub method: String,
    /// Where the browser returns to.
    pub return_url: String,
}

/// Money has arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordPayment {
    /// The payment it came by.
    pub payment_id: PaymentId,
    /// How much.
    pub amount: Money,
}

/// A payment will not succeed.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordPaymentFailed {
    /// Which one.
    pub payment_id: PaymentId,
    /// Decline class, `card_declined`.
    pub failure_code: String,
}

/// Money went back.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordRefund {
    /// The payment it was given back on.
    pub payment_id: PaymentId,
    /// All refunds of this payment so far.
    pub refunded_total: Money,
}

/// A seller has delivered a line.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkLineFulfilled {
    /// Which one.
    pub line_id: LineId,
    /// Where the delivery can be seen in the seller's terms.
    pub receipt: String,
}

/// A seller refused a line for good.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkLineUnfulfillable {
    /// Which one.
    pub line_id: LineId,
    /// The seller's reason code.
    pub reason: String,
}

/// A seller has taken back a delivered line of a refunded invoice.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkLineReversed {
    /// Which one.
    pub line_id: LineId,
    /// Where that can be seen in the seller's terms.
    pub receipt: String,
}

/// Gives up an open invoice unpaid.
#[derive(Debug, Clone, PartialEq)]
pub struct Void {
    /// Why, a stable code: `expired`.
    pub reason: String,
}
