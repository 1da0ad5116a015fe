//! An attempt to pay an open invoice. Several may run: whichever arrives first pays it, and money
//! of the others is a surplus.

use super::{Decision, payable};
use crate::{Invoice, InvoiceEvent, PAYMENTS_MAX, PaymentStarted, Rejection, StartPayment};

pub(crate) fn start_payment(invoice: &Invoice, command: StartPayment) -> Decision {
    if invoice.attempt(command.payment_id).is_some() {
        return Ok(Vec::new());
    }
    payable(invoice)?;
    if invoice.attempts().len() >= PAYMENTS_MAX {
        return Err(Rejection::TooManyPayments);
    }
    let StartPayment { payment_id, method, return_url } = command;
    Ok(vec![InvoiceEvent::PaymentStarted(PaymentStarted { payment_id, method, return_url })])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvoiceCommand;
    use crate::samples::{NOON, failed, opened, paid, payment, started, starting, voided};
    use kernel::testing::given;

    fn start(nth: u128) -> InvoiceCommand {
        InvoiceCommand::StartPayment(starting(nth))
    }

    #[test]
    fn an_open_invoice_can_be_paid() {
        given::<Invoice>([opened()]).when(start(1), NOON).then([started(1)]);
    }

    #[test]
    fn and_again_after_a_payment_failed() {
        given::<Invoice>([opened(), started(1), failed(1)]).when(start(2), NOON).then([started(2)]);
    }

    #[test]
    fn the_same_payment_starts_once() {
        given::<Invoice>([opened(), started(1)]).when(start(1), NOON).then_nothing();
        given::<Invoice>([opened(), started(1), paid(1)]).when(start(1), NOON).then_nothing();
    }

    #[test]
    fn what_is_paid_or_void_takes_no_payment() {
        given::<Invoice>([opened(), started(1), paid(1)])
            .when(start(2), NOON)
            .then_rejected(Rejection::AlreadyPaid);
        given::<Invoice>([opened(), voided()]).when(start(1), NOON).then_rejected(Rejection::IsVoid);
    }

    #[test]
    fn trying_ends_somewhere() {
        let mut events = vec![opened()];
        events.extend((0..PAYMENTS_MAX).map(|nth| started(nth as u128)));
        let command = StartPayment { payment_id: payment(999), ..starting(1) };
        given::<Invoice>(events)
            .when(InvoiceCommand::StartPayment(command), NOON)
            .then_rejected(Rejection::TooManyPayments);
    }
}
