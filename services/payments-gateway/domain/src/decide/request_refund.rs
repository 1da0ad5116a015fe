//! RequestRefund: give back a capture, whole or in part. What was asked before counts as given
//! back already, so that two requests at the same time cannot give back more than was taken.

use money::Money;

use super::{Decision, known, within};
use crate::{Payment, PaymentEvent, PaymentRejection, RefundRequest, RefundRequested};

/// Decides [`RequestRefund`](crate::PaymentCommand::RequestRefund).
pub fn request_refund(payment: &Payment, request: RefundRequest) -> Decision {
    known(payment)?;
    let RefundRequest { refund_id, amount, reason } = request;
    if let Some(refund) = payment.refunds.get(&refund_id) {
        let same = amount.is_none_or(|amount| amount == refund.amount);
        return if same {
            Ok(Vec::new())
        } else {
            Err(PaymentRejection::RefundDiffers { amount: refund.amount })
        };
    }
    let refundable =
        payment.refundable().ok_or(PaymentRejection::NotRefundable { status: payment.status })?;
    let amount = fits(amount, refundable)?;
    Ok(vec![PaymentEvent::RefundRequested(RefundRequested { refund_id, amount, reason })])
}

fn fits(amount: Option<Money>, refundable: Money) -> Result<Money, PaymentRejection> {
    let Some(amount) = amount else {
        let left = refundable.is_positive().then_some(refundable);
        return left.ok_or(PaymentRejection::RefundExceedsCapture { refundable });
    };
    let too_much = PaymentRejection::RefundExceedsCapture { refundable };
    within(amount, refundable, (PaymentRejection::RefundNotPositive, too_much))
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;
    use money::{Currency, Money};

    use crate::tests::samples::*;
    use crate::{Payment, PaymentCommand, PaymentRejection, Status};

    #[test]
    fn without_an_amount_the_rest_goes_back() {
        let given_back = [until_captured(), vec![refund_requested(1, 300), refunded(1, 300, 300)]].concat();
        given::<Payment>(given_back).when(refund(2, None), AT).then([refund_requested(2, 700)]);
    }

    #[test]
    fn what_is_under_way_counts_as_given_back() {
        given::<Payment>([until_captured(), vec![refund_requested(1, 600)]].concat())
            .when(refund(2, Some(401)), AT)
            .then_rejected(PaymentRejection::RefundExceedsCapture { refundable: eur(400) });
    }

    #[test]
    fn a_failed_refund_can_be_asked_for_again() {
        given::<Payment>([until_captured(), vec![refund_requested(1, 1000), refund_failed(1)]].concat())
            .when(refund(2, Some(1000)), AT)
            .then([refund_requested(2, 1000)]);
    }

    #[test]
    fn the_same_refund_twice_is_one_refund() {
        let asked = || [until_captured(), vec![refund_requested(1, 600)]].concat();
        given::<Payment>(asked()).when(refund(1, Some(600)), AT).then_nothing();
        given::<Payment>(asked()).when(refund(1, None), AT).then_nothing();
        given::<Payment>(asked())
            .when(refund(1, Some(500)), AT)
            .then_rejected(PaymentRejection::RefundDiffers { amount: eur(600) });
    }

    #[test]
    fn nothing_negative_and_nothing_foreign_goes_back() {
        for minor in [0, -5] {
            given::<Payment>(until_captured())
                .when(refund(1, Some(minor)), AT)
                .then_rejected(PaymentRejection::RefundNotPositive);
        }
        let yen = PaymentCommand::RequestRefund(crate::RefundRequest {
            refund_id: refund_id(1),
            amount: Some(Money::new(5, Currency::JPY)),
            reason: String::new(),
        });
        let (expected, reported) = (Currency::EUR, Currency::JPY);
        given::<Payment>(until_captured())
            .when(yen, AT)
            .then_rejected(PaymentRejection::CurrencyMismatch { expected, reported });
    }

    #[test]
    fn what_was_not_taken_cannot_go_back() {
        given::<Payment>(until_authorized())
            .when(refund(1, None), AT)
            .then_rejected(PaymentRejection::NotRefundable { status: Status::Authorized });
    }
}
