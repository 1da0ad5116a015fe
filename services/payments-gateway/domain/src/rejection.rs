//! Every "no" of a payment, with its facts and its stable code.

use ids::RefundId;
use money::{Currency, Money};

use crate::Status;

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentRejection {
    /// Nothing is known about such a payment.
    #[error("there is no such payment")]
    Unknown,
    /// A payment collects something.
    #[error("the amount must be above zero")]
    AmountNotPositive,
    /// The payment exists with another invoice, customer, amount or method.
    #[error("the payment exists with other terms")]
    TermsDiffer,
    /// The provider speaks of another payment than the one it accepted.
    #[error("the provider reports payment {reported}, ours is {ours}")]
    ReferenceDiffers {
        /// What it accepted.
        ours: String,
        /// What it reports.
        reported: String,
    },
    /// The amount is in another currency than the payment.
    #[error("the amount is in {reported}, the payment in {expected}")]
    CurrencyMismatch {
        /// The payment's.
        expected: Currency,
        /// The other one.
        reported: Currency,
    },
    /// Only what is authorised can be taken.
    #[error("a payment that is {} cannot be captured", status.name())]
    NotCapturable {
        /// What it is.
        status: Status,
    },
    /// A capture takes something.
    #[error("a capture must be above zero")]
    CaptureNotPositive,
    /// More than is reserved.
    #[error("the capture exceeds what is reserved, {capturable}")]
    CaptureExceedsReserved {
        /// What is reserved.
        capturable: Money,
    },
    /// Another capture has not ended.
    #[error("another capture of the payment is under way")]
    CaptureUnderWay,
    /// Only what is still open can be given up.
    #[error("a payment that is {} cannot be voided", status.name())]
    NotVoidable {
        /// What it is.
        status: Status,
    },
    /// Only what was captured can go back.
    #[error("a payment that is {} cannot be refunded", status.name())]
    NotRefundable {
        /// What it is.
        status: Status,
    },
    /// A refund gives something back.
    #[error("a refund must be above zero")]
    RefundNotPositive,
    /// All refunds together would be more than was captured.
    #[error("the refund exceeds what is left, {refundable}")]
    RefundExceedsCapture {
        /// What is left.
        refundable: Money,
    },
    /// The refund was asked for before with another amount.
    #[error("the refund exists with another amount, {amount}")]
    RefundDiffers {
        /// The first amount.
        amount: Money,
    },
    /// Nobody asked for such a refund.
    #[error("there is no such refund")]
    RefundUnknown {
        /// The unknown one.
        refund_id: RefundId,
    },
}

impl PaymentRejection {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "payment_not_found",
            Self::AmountNotPositive => "amount_not_positive",
            Self::TermsDiffer => "payment_terms_differ",
            Self::ReferenceDiffers { .. } => "provider_reference_differs",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::NotCapturable { .. } => "payment_not_capturable",
            Self::CaptureNotPositive => "capture_not_positive",
            Self::CaptureExceedsReserved { .. } => "capture_exceeds_reserved",
            Self::CaptureUnderWay => "capture_under_way",
            Self::NotVoidable { .. } => "payment_not_voidable",
            Self::NotRefundable { .. } => "payment_not_refundable",
            Self::RefundNotPositive => "refund_not_positive",
            Self::RefundExceedsCapture { .. } => "refund_exceeds_capture",
            Self::RefundDiffers { .. } => "refund_differs",
            Self::RefundUnknown { .. } => "refund_not_found",
        }
    }
}
