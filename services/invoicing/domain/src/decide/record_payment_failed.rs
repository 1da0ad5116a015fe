//! A payment will not succeed; an open invoice stays open and can be paid again.

use super::{Decision, attempt, opened};
use crate::{AttemptOutcome, Invoice, InvoiceEvent, PaymentFailed, RecordPaymentFailed, Rejection};

pub(crate) fn record_payment_failed(invoice: &Invoice, command: RecordPaymentFailed) -> Decision {
    opened(invoice)?;
    let RecordPaymentFailed { payment_id, failure_code } = command;
    match attempt(invoice, payment_id)?.outcome {
        AttemptOutcome::Pending => {
            Ok(vec![InvoiceEvent::PaymentFailed(PaymentFailed { payment_id, failure_code })])
        }
        AttemptOutcome::Failed(_) => Ok(Vec::new()),
        AttemptOutcome::Paid | AttemptOutcome::Surplus => {
            Err(Rejection::PaymentCaptured { payment: payment_id })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvoiceCommand;
    use crate::samples::{NOON, failed, failing, opened, paid, payment, started, voided};
    use kernel::testing::given;

    fn fail(nth: u128) -> InvoiceCommand {
        InvoiceCommand::RecordPaymentFailed(failing(nth))
    }

    #[test]
    fn a_failure_is_recorded_once() {
        given::<Invoice>([opened(), started(1)]).when(fail(1), NOON).then([failed(1)]);
        given::<Invoice>([opened(), started(1), failed(1)]).when(fail(1), NOON).then_nothing();
    }

    #[test]
    fn a_failure_after_the_end_of_the_invoice_is_still_a_fact() {
        given::<Invoice>([opened(), started(1), voided()]).when(fail(1), NOON).then([failed(1)]);
        given::<Invoice>([opened(), started(1), started(2), paid(2)]).when(fail(1), NOON).then([failed(1)]);
    }

    #[test]
    fn money_that_has_arrived_cannot_fail() {
        given::<Invoice>([opened(), started(1), paid(1)])
            .when(fail(1), NOON)
            .then_rejected(Rejection::PaymentCaptured { payment: payment(1) });
    }

    #[test]
    fn a_payment_of_another_invoice_is_none_of_its_business() {
        given::<Invoice>([opened()])
            .when(fail(1), NOON)
            .then_rejected(Rejection::PaymentUnknown { payment: payment(1) });
    }
}
