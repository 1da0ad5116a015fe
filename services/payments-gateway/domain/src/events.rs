//! What can happen to a payment, and under which name it is stored.
//!
//! Payloads carry what a reader of the single event needs (the invoice, the amounts), because
//! publishing happens event by event.

use ids::{InvoiceId, RefundId};
use jiff::Timestamp;
use money::Money;
use serde::{Deserialize, Serialize};

use crate::Terms;

kernel::events! {
    /// What can happen to a payment.
    pub enum PaymentEvent {
        /// We decided to collect.
        "payment.created" 1 => Created(Created),
        /// The provider took it on and gave it a name.
        "payment.provider_accepted" 1 => ProviderAccepted(ProviderAccepted),
        /// The customer has to act.
        "payment.action_required" 1 => ActionRequired(ActionRequired),
        /// The provider is working on it.
        "payment.processing_started" 1 => ProcessingStarted(ProcessingStarted),
        /// Reserved, not taken.
        "payment.authorized" 1 => Authorized(Authorized),
        /// Somebody asked to take it.
        "payment.capture_requested" 1 => CaptureRequested(CaptureRequested),
        /// The provider would not take it; it stays reserved.
        "payment.capture_refused" 1 => CaptureRefused(CaptureRefused),
        /// The money is ours.
        "payment.captured" 1 => Captured(Captured),
        /// It will not succeed.
        "payment.failed" 1 => Failed(Failed),
        /// Somebody, or the time limit, asked to give it up.
        "payment.void_requested" 1 => VoidRequested(VoidRequested),
        /// Given up before anything was taken.
        "payment.voided" 1 => Voided(Voided),
        /// Somebody asked to give money back.
        "payment.refund_requested" 1 => RefundRequested(RefundRequested),
        /// Money went back.
        "payment.refunded" 1 => Refunded(Refunded),
        /// A refund did not happen.
        "payment.refund_failed" 1 => RefundFailed(RefundFailed),
    }
}

/// We decided to collect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// What was agreed.
    #[serde(flatten)]
    pub terms: Terms,
    /// When; the time to pay begins here.
    pub created_at: Timestamp,
}

/// The provider took the payment on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderAccepted {
    /// The provider's own identifier.
    pub provider_reference: String,
}

/// The customer has to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRequired {
    /// Where to send the browser.
    pub redirect_url: String,
}

/// The provider is working on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessingStarted {}

/// Reserved, not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorized {
    /// What is reserved.
    pub amount: Money,
}

/// Somebody asked to take it; the actor is in the event's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureRequested {}

/// The provider would not take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureRefused {
    /// Class of the refusal.
    pub failure_code: String,
}

/// The money is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The invoice it was collected for.
    pub invoice_id: InvoiceId,
    /// How much.
    pub amount: Money,
    /// Through whom.
    pub provider: String,
    /// It came after the payment had failed or been voided.
    #[serde(default)]
    pub late: bool,
}

/// It will not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The invoice that stays unpaid.
    pub invoice_id: InvoiceId,
    /// Decline class: `card_declined`, `expired`.
    pub failure_code: String,
}

/// Why a payment is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// Somebody asked.
    Requested,
    /// The time to pay is over.
    Expired,
}

/// It is to be given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidRequested {
    /// Why.
    pub reason: VoidReason,
}

/// Given up before anything was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voided {
    /// The invoice that stays unpaid.
    pub invoice_id: InvoiceId,
}

/// Somebody asked to give money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequested {
    /// Its identity.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
    /// Why.
    pub reason: String,
}

/// Money went back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refunded {
    /// The invoice it had been collected for.
    pub invoice_id: InvoiceId,
    /// Which refund.
    pub refund_id: RefundId,
    /// This refund.
    pub amount: Money,
    /// All refunds so far.
    pub refunded_total: Money,
}

/// A refund did not happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundFailed {
    /// Which.
    pub refund_id: RefundId,
    /// Class of the failure.
    pub failure_code: String,
}
