//! RequestCapture: take what is authorised. The request is a fact of its own, so that it is known
//! who asked, and so that it is carried out even if we are cut off before the provider answers.

use super::{Decision, known};
use crate::{CaptureRequested, Payment, PaymentEvent, PaymentRejection, Status};

/// Decides [`RequestCapture`](crate::PaymentCommand::RequestCapture).
pub fn request_capture(payment: &Payment) -> Decision {
    known(payment)?;
    match payment.status {
        status if status.was_captured() => Ok(Vec::new()),
        Status::Authorized if payment.void_requested.is_some() => refuse(Status::Voided),
        Status::Authorized if payment.capture_requested => Ok(Vec::new()),
        Status::Authorized => Ok(vec![PaymentEvent::CaptureRequested(CaptureRequested {})]),
        status => refuse(status),
    }
}

const fn refuse(status: Status) -> Decision {
    Err(PaymentRejection::NotCapturable { status })
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;

    use crate::tests::samples::*;
    use crate::{Payment, PaymentCommand, PaymentRejection, Status, VoidReason};

    #[test]
    fn what_is_authorised_can_be_taken_once() {
        given::<Payment>(until_authorized())
            .when(PaymentCommand::RequestCapture, AT)
            .then([capture_requested()]);
        given::<Payment>([until_authorized(), vec![capture_requested()]].concat())
            .when(PaymentCommand::RequestCapture, AT)
            .then_nothing();
        given::<Payment>(until_captured()).when(PaymentCommand::RequestCapture, AT).then_nothing();
    }

    #[test]
    fn what_is_being_given_up_is_not_taken() {
        given::<Payment>([until_authorized(), vec![void_requested(VoidReason::Requested)]].concat())
            .when(PaymentCommand::RequestCapture, AT)
            .then_rejected(PaymentRejection::NotCapturable { status: Status::Voided });
    }

    #[test]
    fn what_waits_for_the_customer_cannot_be_taken() {
        given::<Payment>(until_action_required())
            .when(PaymentCommand::RequestCapture, AT)
            .then_rejected(PaymentRejection::NotCapturable { status: Status::RequiresAction });
    }
}
