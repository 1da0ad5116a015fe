//! RecordProviderRefusal: the provider does not take the payment on. Once it has taken it on, its
//! snapshots are the truth and a refusal to create it again says nothing.

use super::{Decision, failed, known};
use crate::{Decline, Payment};

/// Decides [`RecordProviderRefusal`](crate::PaymentCommand::RecordProviderRefusal).
pub fn record_provider_refusal(
    payment: &Payment,
    failure_code: String,
    decline: Option<Decline>,
) -> Decision {
    let terms = known(payment)?;
    if payment.provider_reference.is_some() || !payment.status.is_open() {
        return Ok(Vec::new());
    }
    Ok(vec![failed(terms, failure_code, decline)])
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;

    use crate::tests::samples::*;
    use crate::{Payment, PaymentCommand};

    fn refusal() -> PaymentCommand {
        PaymentCommand::RecordProviderRefusal { failure_code: "method_unsupported".to_owned(), decline: None }
    }

    #[test]
    fn a_refused_payment_has_failed() {
        given::<Payment>([created()]).when(refusal(), AT).then([failed("method_unsupported")]);
    }

    #[test]
    fn a_refusal_after_acceptance_says_nothing() {
        given::<Payment>([created(), accepted()]).when(refusal(), AT).then_nothing();
    }
}
