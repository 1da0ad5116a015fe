//! RecordRefundRefusal: the provider would not give it back; the amount can be asked for again.

use ids::RefundId;

use super::{Decision, known};
use crate::{Payment, PaymentEvent, PaymentRejection, RefundFailed, RefundOutcome};

/// Decides [`RecordRefundRefusal`](crate::PaymentCommand::RecordRefundRefusal).
pub fn record_refund_refusal(payment: &Payment, refund_id: RefundId, failure_code: String) -> Decision {
    known(payment)?;
    let refund = payment.refunds.get(&refund_id).ok_or(PaymentRejection::RefundUnknown { refund_id })?;
    if refund.outcome != RefundOutcome::Pending {
        return Ok(Vec::new());
    }
    Ok(vec![PaymentEvent::RefundFailed(RefundFailed { refund_id, failure_code })])
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;

    use crate::tests::samples::*;
    use crate::{Payment, PaymentCommand, PaymentRejection};

    fn refusal() -> PaymentCommand {
        let failure_code = "account_closed".to_owned();
        PaymentCommand::RecordRefundRefusal { refund_id: refund_id(1), failure_code }
    }

    #[test]
    fn a_refused_refund_has_failed() {
        given::<Payment>([until_captured(), vec![refund_requested(1, 600)]].concat())
            .when(refusal(), AT)
            .then([refund_failed(1)]);
    }

    #[test]
    fn a_refund_that_went_through_stays() {
        let done = [until_captured(), vec![refund_requested(1, 600), refunded(1, 600, 600)]].concat();
        given::<Payment>(done).when(refusal(), AT).then_nothing();
    }

    #[test]
    fn a_refund_nobody_asked_for_is_unknown() {
        given::<Payment>(until_captured())
            .when(refusal(), AT)
            .then_rejected(PaymentRejection::RefundUnknown { refund_id: refund_id(1) });
    }
}
