//! What can happen to an invoice, as it is stored. Golden files in `golden/` hold the stored form;
//! an incompatible change needs a new version (see `kernel::events!`).

use ids::{LineId, PaymentId, UserId};
use jiff::Timestamp;
use money::Money;
use serde::{Deserialize, Serialize};

use crate::InvoiceNumber;

kernel::events! {
    /// What can happen to an invoice.
    pub enum InvoiceEvent {
        /// It was finalised: numbered, its lines stand, it waits for payment.
        "invoice.opened" 1 => Opened(InvoiceOpened),
        /// An attempt to pay was started.
        "invoice.payment_started" 1 => PaymentStarted(PaymentStarted),
        /// An attempt to pay has failed.
        "invoice.payment_failed" 1 => PaymentFailed(PaymentFailed),
        /// The whole amount has arrived.
        "invoice.paid" 1 => Paid(InvoicePaid),
        /// Money has arrived that nothing was owed for; it is to be given back.
        "invoice.payment_surplus_detected" 1 => PaymentSurplusDetected(PaymentSurplusDetected),
        /// Money of one of its payments went back.
        "invoice.refund_recorded" 1 => RefundRecorded(RefundRecorded),
        /// Its whole total went back.
        "invoice.refunded" 1 => Refunded(InvoiceRefunded),
        /// A line was delivered.
        "invoice.line_fulfilled" 1 => LineFulfilled(LineFulfilled),
        /// A line cannot be delivered; its price is to be given back.
        "invoice.line_unfulfillable" 1 => LineUnfulfillable(LineUnfulfillable),
        /// A delivered line was taken back.
        "invoice.line_reversed" 1 => LineReversed(LineReversed),
        /// Every line was delivered.
        "invoice.fulfilled" 1 => Fulfilled(InvoiceFulfilled),
        /// It was given up unpaid.
        "invoice.voided" 1 => Voided(InvoiceVoided),
    }
}

/// Payload of `invoice.opened`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the command and the priced cart")]
pub struct InvoiceOpened {
    pub number: InvoiceNumber,
    pub user_id: UserId,
    pub lines: Vec<OpenedLine>,
    pub total: Money,
    pub billing_country: String,
    pub due_at: Timestamp,
    pub at: Timestamp,
}

/// A line of `invoice.opened`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the priced line")]
pub struct OpenedLine {
    pub line_id: LineId,
    pub kind: String,
    pub item_id: String,
    pub description: String,
    pub quantity: i64,
    pub unit_price: Money,
    pub total: Money,
    pub tax_class: String,
    pub terms_json: String,
}

/// Payload of `invoice.payment_started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the command")]
pub struct PaymentStarted {
    pub payment_id: PaymentId,
    pub method: String,
    pub return_url: String,
}

/// Payload of `invoice.payment_failed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the command")]
pub struct PaymentFailed {
    pub payment_id: PaymentId,
    pub failure_code: String,
}

/// Payload of `invoice.paid`. Number and user are repeated for those who only read this event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvoicePaid {
    /// The payment; absent when nothing was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<PaymentId>,
    /// The whole amount.
    pub amount: Money,
    /// Number of the invoice.
    pub number: InvoiceNumber,
    /// Who bought.
    pub user_id: UserId,
    /// When.
    pub at: Timestamp,
}

/// Why money arrived that nothing was owed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SurplusReason {
    /// Another payment had paid the invoice.
    AlreadyPaid,
    /// The invoice had been given up.
    Voided,
}

/// Payload of `invoice.payment_surplus_detected`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the command")]
pub struct PaymentSurplusDetected {
    pub payment_id: PaymentId,
    pub amount: Money,
    pub reason: SurplusReason,
}

/// Payload of `invoice.refund_recorded`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundRecorded {
    /// The payment it was given back on.
    pub payment_id: PaymentId,
    /// All refunds of this payment so far.
    pub refunded_total: Money,
}

/// Payload of `invoice.refunded`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvoiceRefunded {
    /// What went back.
    pub total: Money,
    /// When.
    pub at: Timestamp,
}

/// Payload of `invoice.line_fulfilled`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the command")]
pub struct LineFulfilled {
    pub line_id: LineId,
    pub receipt: String,
}

/// Payload of `invoice.line_unfulfillable`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineUnfulfillable {
    /// The line.
    pub line_id: LineId,
    /// The seller's reason code.
    pub reason: String,
    /// What is to be given back; zero if everything went back already.
    pub refund: Money,
}

/// Payload of `invoice.line_reversed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are those of the command")]
pub struct LineReversed {
    pub line_id: LineId,
    pub receipt: String,
}

/// Payload of `invoice.fulfilled`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvoiceFulfilled {
    /// Who bought.
    pub user_id: UserId,
    /// When.
    pub at: Timestamp,
}

/// Payload of `invoice.voided`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvoiceVoided {
    /// Why, a stable code: `expired`.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}
