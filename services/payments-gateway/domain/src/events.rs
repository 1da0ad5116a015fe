//! What can happen to a payment, and under which name it is stored.
//!
//! Payloads carry what a reader of the single event needs (the invoice, the amounts), because
//! publishing happens event by event.

use ids::{InvoiceId, OperationId, RefundId};
use jiff::Timestamp;
use money::Money;
use serde::{Deserialize, Serialize};

use crate::{Decline, Terms};

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
        /// A part of the money is ours.
        "payment.partially_captured" 1 => PartiallyCaptured(PartiallyCaptured),
        /// What was reserved beyond the captured part is reserved no more.
        "payment.rest_released" 1 => RestReleased(RestReleased),
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
        /// The customer's bank wants money back.
        "payment.dispute_opened" 1 => DisputeOpened(Disputed),
        /// The dispute was decided for us.
        "payment.dispute_won" 1 => DisputeWon(Disputed),
        /// The dispute was decided against us.
        "payment.dispute_lost" 1 => DisputeLost(Disputed),
        /// The provider speaks of other money than we agreed on; nothing of it is booked.
        "payment.contradicted" 1 => Contradicted(Contradicted),
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
    /// Where to send the browser; empty where the provider's own form goes on.
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
pub struct CaptureRequested {
    /// How much; everything that is left, if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// Whether the rest is to stay reserved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_rest: bool,
    /// The operation that asked, so that it asks once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_id: Option<OperationId>,
}

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

/// A part of the money is ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartiallyCaptured {
    /// The invoice it was collected for.
    pub invoice_id: InvoiceId,
    /// This part.
    pub amount: Money,
    /// All parts so far.
    pub captured_total: Money,
    /// Through whom.
    pub provider: String,
    /// Whether the rest is still reserved.
    pub rest_reserved: bool,
    /// It came after the payment had failed or been voided.
    #[serde(default)]
    pub late: bool,
}

/// What was reserved beyond the captured part is reserved no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestReleased {
    /// How much that was.
    pub amount: Money,
}

/// It will not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The invoice that stays unpaid.
    pub invoice_id: InvoiceId,
    /// The provider's word, or ours: `card_declined`, `expired`.
    pub failure_code: String,
    /// What a decline means; nothing, where nobody declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline: Option<Decline>,
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

/// A dispute and where it stands; the event's name says how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disputed {
    /// The invoice the money had been collected for.
    pub invoice_id: InvoiceId,
    /// The provider's own identifier of the dispute.
    pub dispute_reference: String,
    /// How much is disputed.
    pub amount: Money,
    /// Why, in the provider's word.
    pub reason: String,
}

/// The provider speaks of other money than we agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradicted {
    /// The invoice that is concerned.
    pub invoice_id: InvoiceId,
    /// Who contradicts.
    pub provider: String,
    /// What was agreed.
    pub expected: Money,
    /// What the provider says.
    pub reported: Money,
    /// How far the payment is there: `captured`.
    pub state: String,
}
