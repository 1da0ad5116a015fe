//! Every "no" of an invoice, with its facts.

use ids::{LineId, PaymentId};
use money::Money;

use crate::{LineStatus, PAYMENTS_MAX};

/// Why a command was refused; nothing has happened then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such invoice yet.
    #[error("the invoice was not opened")]
    NotOpened,
    /// It was finalised before and stands.
    #[error("the invoice was opened already")]
    AlreadyOpened,
    /// It is paid, or was.
    #[error("the invoice is paid already")]
    AlreadyPaid,
    /// It was given up.
    #[error("the invoice is void")]
    IsVoid,
    /// Nothing is delivered before it is paid.
    #[error("the invoice is not paid")]
    NotPaid,
    /// Nothing is taken back before its money went back.
    #[error("the invoice is not refunded")]
    NotRefunded,
    /// No attempt of this invoice made that payment.
    #[error("payment {payment} does not belong to the invoice")]
    PaymentUnknown {
        /// The payment.
        payment: PaymentId,
    },
    /// The payment is not of exactly the total.
    #[error("a payment of {actual} cannot pay {expected}")]
    PaymentAmountDiffers {
        /// The total.
        expected: Money,
        /// What arrived.
        actual: Money,
    },
    /// Its money has arrived; it cannot fail any more.
    #[error("payment {payment} has arrived")]
    PaymentCaptured {
        /// The payment.
        payment: PaymentId,
    },
    /// No money of this payment has arrived, so none can go back.
    #[error("payment {payment} has not arrived")]
    PaymentNotCaptured {
        /// The payment.
        payment: PaymentId,
    },
    /// More went back than had arrived, or in another currency.
    #[error("{refunded} cannot go back of {captured}")]
    RefundExceedsPayment {
        /// What arrived.
        captured: Money,
        /// What is said to have gone back.
        refunded: Money,
    },
    /// The invoice was tried to be paid too often.
    #[error("an invoice can be tried to be paid {PAYMENTS_MAX} times")]
    TooManyPayments,
    /// The invoice has no such line.
    #[error("line {line} does not belong to the invoice")]
    LineUnknown {
        /// The line.
        line: LineId,
    },
    /// The line has come to another end.
    #[error("line {line} is {status:?}")]
    LineSettled {
        /// The line.
        line: LineId,
        /// How it ended.
        status: LineStatus,
    },
    /// What was not delivered cannot be taken back.
    #[error("line {line} was not delivered")]
    LineNotDelivered {
        /// The line.
        line: LineId,
    },
}

impl Rejection {
    /// The stable code, for clients.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOpened => "invoice_not_found",
            Self::AlreadyOpened => "invoice_already_opened",
            Self::AlreadyPaid => "invoice_already_paid",
            Self::IsVoid => "invoice_void",
            Self::NotPaid => "invoice_not_paid",
            Self::NotRefunded => "invoice_not_refunded",
            Self::PaymentUnknown { .. } => "payment_not_of_invoice",
            Self::PaymentAmountDiffers { .. } => "payment_amount_differs",
            Self::PaymentCaptured { .. } => "payment_already_captured",
            Self::PaymentNotCaptured { .. } => "payment_not_captured",
            Self::RefundExceedsPayment { .. } => "refund_exceeds_payment",
            Self::TooManyPayments => "too_many_payments",
            Self::LineUnknown { .. } => "line_not_of_invoice",
            Self::LineSettled { .. } => "line_settled",
            Self::LineNotDelivered { .. } => "line_not_delivered",
        }
    }
}
