//! A seller refused a line for good: its price is to go back.

use money::Money;

use super::{Decision, line, once_paid};
use crate::{Invoice, InvoiceEvent, LineStatus, LineUnfulfillable, MarkLineUnfulfillable, Rejection, Status};

pub(crate) fn mark_line_unfulfillable(invoice: &Invoice, command: MarkLineUnfulfillable) -> Decision {
    once_paid(invoice)?;
    let MarkLineUnfulfillable { line_id, reason } = command;
    let line = line(invoice, line_id)?;
    match line.status {
        LineStatus::Pending => {}
        LineStatus::Unfulfillable => return Ok(Vec::new()),
        status @ (LineStatus::Fulfilled | LineStatus::Reversed) => {
            return Err(Rejection::LineSettled { line: line_id, status });
        }
    }
    let price = line.sold.total;
    let gone_back = invoice.status() == Status::Refunded;
    let refund = if gone_back { Money::zero(price.currency()) } else { price };
    Ok(vec![InvoiceEvent::LineUnfulfillable(LineUnfulfillable { line_id, reason, refund })])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvoiceCommand;
    use crate::samples::{
        NOON, TOTAL, delivered, eur, line_id, opened, paid, refund_recorded, refunded, started, unfulfillable,
    };
    use kernel::testing::given;

    fn refuse(place: usize) -> InvoiceCommand {
        let reason = "bundle_gone".to_owned();
        InvoiceCommand::MarkLineUnfulfillable(MarkLineUnfulfillable { line_id: line_id(place), reason })
    }

    #[test]
    fn the_price_of_a_refused_line_is_to_go_back_once() {
        given::<Invoice>([opened(), started(1), paid(1)]).when(refuse(0), NOON).then([unfulfillable(0)]);
        given::<Invoice>([opened(), started(1), paid(1), unfulfillable(0)])
            .when(refuse(0), NOON)
            .then_nothing();
    }

    #[test]
    fn a_delivered_line_cannot_be_refused() {
        let status = LineStatus::Fulfilled;
        given::<Invoice>([opened(), started(1), paid(1), delivered(0)])
            .when(refuse(0), NOON)
            .then_rejected(Rejection::LineSettled { line: line_id(0), status });
    }

    #[test]
    fn nothing_more_goes_back_of_a_refunded_invoice() {
        let event =
            LineUnfulfillable { line_id: line_id(0), reason: "bundle_gone".to_owned(), refund: eur(0) };
        given::<Invoice>([opened(), started(1), paid(1), refund_recorded(1, TOTAL), refunded()])
            .when(refuse(0), NOON)
            .then([InvoiceEvent::LineUnfulfillable(event)]);
    }

    #[test]
    fn an_open_invoice_has_nothing_to_refuse() {
        given::<Invoice>([opened()]).when(refuse(0), NOON).then_rejected(Rejection::NotPaid);
    }
}
