//! A line was delivered; with the last one the invoice is fulfilled.
//!
//! A delivery that happened while the money went back is a fact all the same: it is recorded, and
//! then taken back as any other delivered line of a refunded invoice.

use jiff::Timestamp;

use super::{Decision, line, once_paid};
use crate::{
    Invoice, InvoiceEvent, InvoiceFulfilled, LineFulfilled, LineStatus, MarkLineFulfilled, Rejection, Status,
};

pub(crate) fn mark_line_fulfilled(invoice: &Invoice, command: MarkLineFulfilled, at: Timestamp) -> Decision {
    let facts = once_paid(invoice)?;
    let MarkLineFulfilled { line_id, receipt } = command;
    match line(invoice, line_id)?.status {
        LineStatus::Pending => {}
        LineStatus::Fulfilled => return Ok(Vec::new()),
        status @ (LineStatus::Unfulfillable | LineStatus::Reversed) => {
            return Err(Rejection::LineSettled { line: line_id, status });
        }
    }
    let mut events = vec![InvoiceEvent::LineFulfilled(LineFulfilled { line_id, receipt })];
    let others = invoice.lines().iter().filter(|line| line.sold.line_id != line_id);
    let all = others.map(|line| line.status).all(|status| status == LineStatus::Fulfilled);
    if all && invoice.status() == Status::Paid {
        events.push(InvoiceEvent::Fulfilled(InvoiceFulfilled { user_id: facts.user_id, at }));
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvoiceCommand;
    use crate::samples::{
        LINES, NOON, TOTAL, delivered, fulfilled, line_id, opened, paid, refund_recorded, refunded, started,
        unfulfillable,
    };
    use kernel::testing::given;

    fn deliver(place: usize) -> InvoiceCommand {
        let receipt = format!("receipt-{place}");
        InvoiceCommand::MarkLineFulfilled(MarkLineFulfilled { line_id: line_id(place), receipt })
    }

    #[test]
    fn a_delivered_line_is_marked_once() {
        given::<Invoice>([opened(), started(1), paid(1)]).when(deliver(0), NOON).then([delivered(0)]);
        given::<Invoice>([opened(), started(1), paid(1), delivered(0)]).when(deliver(0), NOON).then_nothing();
    }

    #[test]
    fn the_last_line_fulfils_the_invoice() {
        assert_eq!(LINES, 2);
        given::<Invoice>([opened(), started(1), paid(1), delivered(0)])
            .when(deliver(1), NOON)
            .then([delivered(1), fulfilled()]);
    }

    #[test]
    fn an_invoice_with_an_undeliverable_line_is_never_fulfilled() {
        given::<Invoice>([opened(), started(1), paid(1), unfulfillable(0)])
            .when(deliver(1), NOON)
            .then([delivered(1)]);
    }

    #[test]
    fn nothing_is_delivered_before_it_is_paid() {
        given::<Invoice>([opened()]).when(deliver(0), NOON).then_rejected(Rejection::NotPaid);
    }

    #[test]
    fn what_was_given_up_is_not_delivered() {
        let status = LineStatus::Unfulfillable;
        given::<Invoice>([opened(), started(1), paid(1), unfulfillable(0)])
            .when(deliver(0), NOON)
            .then_rejected(Rejection::LineSettled { line: line_id(0), status });
    }

    #[test]
    fn a_delivery_that_crossed_a_refund_is_recorded() {
        given::<Invoice>([
            opened(),
            started(1),
            paid(1),
            refund_recorded(1, TOTAL),
            refunded(),
            delivered(0),
        ])
        .when(deliver(1), NOON)
        .then([delivered(1)]);
    }
}
