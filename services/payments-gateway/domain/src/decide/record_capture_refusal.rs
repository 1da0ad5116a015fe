//! RecordCaptureRefusal: the provider would not take it. The request is over and the payment stays
//! authorised, so that somebody can try again or give it up.

use super::{Decision, known};
use crate::{CaptureRefused, Payment, PaymentEvent};

/// Decides [`RecordCaptureRefusal`](crate::PaymentCommand::RecordCaptureRefusal).
pub fn record_capture_refusal(payment: &Payment, failure_code: String) -> Decision {
    known(payment)?;
    if payment.capturable().is_none() || payment.capture_requested.is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![PaymentEvent::CaptureRefused(CaptureRefused { failure_code })])
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;

    use crate::tests::samples::*;
    use crate::{CaptureRefused, Payment, PaymentCommand, PaymentEvent};

    #[test]
    fn a_refused_capture_ends_the_request_only() {
        let failure_code = "authorization_lapsed".to_owned();
        let command = PaymentCommand::RecordCaptureRefusal { failure_code: failure_code.clone() };
        let asked = [until_authorized(), vec![capture_requested()]].concat();
        let refused = PaymentEvent::CaptureRefused(CaptureRefused { failure_code });
        given::<Payment>(asked).when(command.clone(), AT).then([refused]);
        given::<Payment>(until_captured()).when(command, AT).then_nothing();
    }
}
