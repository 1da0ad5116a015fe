//! A delivered line of a refunded invoice was taken back.

use super::{Decision, line, once_paid};
use crate::{Invoice, InvoiceEvent, LineReversed, LineStatus, MarkLineReversed, Rejection, Status};

pub(crate) fn mark_line_reversed(invoice: &Invoice, command: MarkLineReversed) -> Decision {
    once_paid(invoice)?;
    let MarkLineReversed { line_id, receipt } = command;
    match line(invoice, line_id)?.status {
        LineStatus::Reversed => Ok(Vec::new()),
        LineStatus::Pending | LineStatus::Unfulfillable => Err(Rejection::LineNotDelivered { line: line_id }),
        LineStatus::Fulfilled if invoice.status() != Status::Refunded => Err(Rejection::NotRefunded),
        LineStatus::Fulfilled => Ok(vec![InvoiceEvent::LineReversed(LineReversed { line_id, receipt })]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvoiceCommand;
    use crate::samples::{
        NOON, TOTAL, delivered, line_id, opened, paid, refund_recorded, refunded, reversed, started,
    };
    use kernel::testing::given;

    fn reverse(place: usize) -> InvoiceCommand {
        let receipt = format!("receipt-{place}");
        InvoiceCommand::MarkLineReversed(MarkLineReversed { line_id: line_id(place), receipt })
    }

    #[test]
    fn a_delivered_line_of_a_refunded_invoice_is_taken_back_once() {
        let past = [opened(), started(1), paid(1), delivered(0), refund_recorded(1, TOTAL), refunded()];
        given::<Invoice>(past.clone()).when(reverse(0), NOON).then([reversed(0)]);
        given::<Invoice>(past.into_iter().chain([reversed(0)])).when(reverse(0), NOON).then_nothing();
    }

    #[test]
    fn what_was_not_delivered_cannot_be_taken_back() {
        given::<Invoice>([opened(), started(1), paid(1), refund_recorded(1, TOTAL), refunded()])
            .when(reverse(0), NOON)
            .then_rejected(Rejection::LineNotDelivered { line: line_id(0) });
    }

    #[test]
    fn what_is_paid_for_stays_delivered() {
        given::<Invoice>([opened(), started(1), paid(1), delivered(0)])
            .when(reverse(0), NOON)
            .then_rejected(Rejection::NotRefunded);
    }
}
