//! Giving up an open invoice. What was paid cannot be voided: it can be refunded.

use jiff::Timestamp;

use super::Decision;
use crate::{Invoice, InvoiceEvent, InvoiceVoided, Rejection, Status, Void};

pub(crate) fn void(invoice: &Invoice, command: Void, at: Timestamp) -> Decision {
    match invoice.status() {
        Status::Draft => Err(Rejection::NotOpened),
        Status::Open => Ok(vec![InvoiceEvent::Voided(InvoiceVoided { reason: command.reason, at })]),
        Status::Void => Ok(Vec::new()),
        Status::Paid | Status::Refunded => Err(Rejection::AlreadyPaid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvoiceCommand;
    use crate::samples::{NOON, opened, paid, started, voided, voiding};
    use kernel::testing::given;

    #[test]
    fn an_open_invoice_is_given_up_once() {
        given::<Invoice>([opened()]).when(InvoiceCommand::Void(voiding()), NOON).then([voided()]);
        given::<Invoice>([opened(), voided()]).when(InvoiceCommand::Void(voiding()), NOON).then_nothing();
    }

    #[test]
    fn what_was_paid_cannot_be_voided() {
        given::<Invoice>([opened(), started(1), paid(1)])
            .when(InvoiceCommand::Void(voiding()), NOON)
            .then_rejected(Rejection::AlreadyPaid);
    }
}
