//! RequestVoid: give a payment up before anything is taken. One the provider never heard of is
//! still asked for there first: we may have been cut off before its answer.

use super::{Decision, known};
use crate::{Payment, PaymentEvent, PaymentRejection, Status, VoidReason, VoidRequested};

/// Decides [`RequestVoid`](crate::PaymentCommand::RequestVoid).
pub fn request_void(payment: &Payment) -> Decision {
    known(payment)?;
    match payment.status {
        Status::Voided => Ok(Vec::new()),
        status if !status.is_open() => Err(PaymentRejection::NotVoidable { status }),
        _ if payment.void_requested.is_some() => Ok(Vec::new()),
        _ => Ok(vec![PaymentEvent::VoidRequested(VoidRequested { reason: VoidReason::Requested })]),
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;

    use crate::tests::samples::*;
    use crate::{Payment, PaymentCommand, PaymentRejection, Status, VoidReason};

    #[test]
    fn an_open_payment_can_be_given_up_once() {
        let requested = void_requested(VoidReason::Requested);
        given::<Payment>(until_authorized()).when(PaymentCommand::RequestVoid, AT).then([requested.clone()]);
        given::<Payment>([until_authorized(), vec![requested]].concat())
            .when(PaymentCommand::RequestVoid, AT)
            .then_nothing();
    }

    #[test]
    fn what_was_taken_cannot_be_given_up() {
        given::<Payment>(until_captured())
            .when(PaymentCommand::RequestVoid, AT)
            .then_rejected(PaymentRejection::NotVoidable { status: Status::Captured });
    }
}
