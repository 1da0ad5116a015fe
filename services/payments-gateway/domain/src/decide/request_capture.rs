//! RequestCapture: take what is authorised, whole or in part. The request is a fact of its own, so
//! that it is known who asked, and so that it is carried out even if we are cut off before the
//! provider answers. One capture is under way at a time; the same wish again changes nothing.

use super::{Decision, known, within};
use crate::{CaptureRequest, CaptureRequested, Payment, PaymentEvent, PaymentRejection, Status};

/// Decides [`RequestCapture`](crate::PaymentCommand::RequestCapture).
pub fn request_capture(payment: &Payment, request: CaptureRequest) -> Decision {
    let terms = known(payment)?;
    let CaptureRequest { amount, keep_rest, operation_id } = request;
    if operation_id.is_some_and(|operation| payment.captures_asked.contains(&operation)) {
        return Ok(Vec::new());
    }
    if let Some(under_way) = payment.capture_requested {
        // Two who want everything want the same; two who want a part each want a part of their own.
        let same = (under_way.amount, under_way.keep_rest) == (amount, keep_rest)
            && (amount.is_none() || operation_id.is_none());
        return if same { Ok(Vec::new()) } else { Err(PaymentRejection::CaptureUnderWay) };
    }
    if payment.captured == Some(terms.amount) && amount.is_none_or(|amount| amount == terms.amount) {
        return Ok(Vec::new());
    }
    let capturable = match payment.capturable() {
        Some(_) if payment.void_requested.is_some() => return refuse(Status::Voided),
        Some(capturable) => capturable,
        None => return refuse(payment.status),
    };
    if let Some(amount) = amount {
        let too_much = PaymentRejection::CaptureExceedsReserved { capturable };
        within(amount, capturable, (PaymentRejection::CaptureNotPositive, too_much))?;
    }
    Ok(vec![PaymentEvent::CaptureRequested(CaptureRequested { amount, keep_rest, operation_id })])
}

const fn refuse(status: Status) -> Decision {
    Err(PaymentRejection::NotCapturable { status })
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;

    use crate::tests::samples::*;
    use crate::{
        CaptureRequest, CaptureRequested, Payment, PaymentCommand, PaymentEvent, PaymentRejection, Status,
        VoidReason,
    };

    const WHOLE: PaymentCommand =
        PaymentCommand::RequestCapture(CaptureRequest { amount: None, keep_rest: false, operation_id: None });

    #[test]
    fn what_is_authorised_can_be_taken_once() {
        given::<Payment>(until_authorized()).when(WHOLE, AT).then([capture_requested()]);
        given::<Payment>([until_authorized(), vec![capture_requested()]].concat())
            .when(WHOLE, AT)
            .then_nothing();
        given::<Payment>(until_captured()).when(WHOLE, AT).then_nothing();
    }

    #[test]
    fn what_is_being_given_up_is_not_taken() {
        given::<Payment>([until_authorized(), vec![void_requested(VoidReason::Requested)]].concat())
            .when(WHOLE, AT)
            .then_rejected(PaymentRejection::NotCapturable { status: Status::Voided });
    }

    #[test]
    fn what_waits_for_the_customer_cannot_be_taken() {
        given::<Payment>(until_action_required())
            .when(WHOLE, AT)
            .then_rejected(PaymentRejection::NotCapturable { status: Status::RequiresAction });
    }

    #[test]
    fn a_part_can_be_taken_and_then_the_rest() {
        given::<Payment>(until_authorized())
            .when(capture(Some(400), true), AT)
            .then([capture_part_requested(400, true)]);
        let part =
            [until_authorized(), vec![capture_part_requested(400, true), part_captured(400, 400, true)]];
        given::<Payment>(part.concat()).when(capture(None, false), AT).then([capture_requested()]);
        given::<Payment>(part.concat())
            .when(capture(Some(601), false), AT)
            .then_rejected(PaymentRejection::CaptureExceedsReserved { capturable: eur(600) });
    }

    #[test]
    fn the_same_operation_takes_its_part_once() {
        let operation_id = Some(ids::OperationId::derived(&["capture"]));
        let request = CaptureRequest { amount: Some(eur(400)), keep_rest: true, operation_id };
        let (amount, keep_rest) = (Some(eur(400)), true);
        let asked = PaymentEvent::CaptureRequested(CaptureRequested { amount, keep_rest, operation_id });
        given::<Payment>([until_authorized(), vec![asked, part_captured(400, 400, true)]].concat())
            .when(PaymentCommand::RequestCapture(request), AT)
            .then_nothing();
    }

    #[test]
    fn what_was_released_cannot_be_taken() {
        let last = [until_authorized(), vec![part_captured(400, 400, false)]].concat();
        given::<Payment>(last)
            .when(capture(Some(100), false), AT)
            .then_rejected(PaymentRejection::NotCapturable { status: Status::PartiallyCaptured });
    }

    #[test]
    fn nothing_or_more_than_is_reserved_is_not_taken() {
        for (minor, rejection) in [
            (0, PaymentRejection::CaptureNotPositive),
            (-1, PaymentRejection::CaptureNotPositive),
            (1001, PaymentRejection::CaptureExceedsReserved { capturable: eur(1000) }),
        ] {
            given::<Payment>(until_authorized())
                .when(capture(Some(minor), false), AT)
                .then_rejected(rejection);
        }
    }

    #[test]
    fn another_capture_waits_for_the_one_under_way() {
        given::<Payment>([until_authorized(), vec![capture_part_requested(400, false)]].concat())
            .when(capture(Some(500), false), AT)
            .then_rejected(PaymentRejection::CaptureUnderWay);
    }
}
