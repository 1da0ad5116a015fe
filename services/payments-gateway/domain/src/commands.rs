//! What can be asked of a payment. One file per command in `decide/`; when you add one here, add
//! its row to the matrix in `tests/matrix.rs` too.

use ids::{OperationId, RefundId};
use money::Money;

use crate::{Decline, ProviderSnapshot, Terms};

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub enum PaymentCommand {
    /// Start collecting.
    Create(Terms),
    /// The provider told us about the payment.
    RecordProviderState(ProviderSnapshot),
    /// The provider refuses to take the payment on at all.
    RecordProviderRefusal {
        /// The provider's word.
        failure_code: String,
        /// What it means, if a bank declined.
        decline: Option<Decline>,
    },
    /// Take what is authorised, whole or in part.
    RequestCapture(CaptureRequest),
    /// The provider refuses to take it.
    RecordCaptureRefusal {
        /// Class of the refusal.
        failure_code: String,
    },
    /// Give it up before anything is taken.
    RequestVoid,
    /// The time to pay is over.
    Expire {
        /// Whether the provider can and must be told first.
        voidable: bool,
    },
    /// Give money back.
    RequestRefund(RefundRequest),
    /// The provider refuses the refund.
    RecordRefundRefusal {
        /// Which.
        refund_id: RefundId,
        /// Class of the refusal.
        failure_code: String,
    },
}

/// A capture that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaptureRequest {
    /// How much; `None` means what is left.
    pub amount: Option<Money>,
    /// Whether the rest is to stay reserved for another capture.
    pub keep_rest: bool,
    /// Who asks; the same one asking again changes nothing, even after the capture.
    pub operation_id: Option<OperationId>,
}

/// A refund that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundRequest {
    /// Its identity; asking again with the same one changes nothing.
    pub refund_id: RefundId,
    /// How much; `None` means what is left.
    pub amount: Option<Money>,
    /// Why, in the operator's words.
    pub reason: String,
}
