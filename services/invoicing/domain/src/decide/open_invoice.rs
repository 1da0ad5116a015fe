//! Finalising: a draft becomes an invoice, once. What costs nothing is paid at once.

use jiff::Timestamp;

use super::Decision;
use crate::{
    Invoice, InvoiceEvent, InvoiceOpened, InvoicePaid, OpenInvoice, OpenedLine, PricedLine, Rejection, Status,
};

pub(crate) fn open_invoice(invoice: &Invoice, command: OpenInvoice, at: Timestamp) -> Decision {
    if invoice.status() != Status::Draft {
        return Err(Rejection::AlreadyOpened);
    }
    let OpenInvoice { number, user_id, priced, due_at } = command;
    let (lines, total, billing_country) = priced.into_parts();
    let paid = InvoicePaid { payment_id: None, amount: total, number: number.clone(), user_id, at };
    let lines = lines.into_iter().map(opened_line).collect();
    let opened = InvoiceOpened { number, user_id, lines, total, billing_country, due_at, at };
    let mut events = vec![InvoiceEvent::Opened(opened)];
    if total.is_zero() {
        events.push(InvoiceEvent::Paid(paid));
    }
    Ok(events)
}

fn opened_line(line: PricedLine) -> OpenedLine {
    OpenedLine {
        line_id: line.line_id,
        kind: line.kind,
        item_id: line.item_id,
        description: line.description,
        quantity: line.quantity,
        unit_price: line.unit_price,
        total: line.total,
        tax_class: line.tax_class,
        terms_json: line.terms_json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvoiceCommand;
    use crate::samples::{NOON, a_free_cart, an_open_command, opened, opening, paid_for_nothing};
    use kernel::testing::given;

    #[test]
    fn a_draft_is_opened_with_its_number_and_lines() {
        given::<Invoice>([]).when(InvoiceCommand::Open(an_open_command()), NOON).then([opened()]);
    }

    #[test]
    fn what_costs_nothing_is_paid_at_once() {
        let command = OpenInvoice { priced: a_free_cart(), ..an_open_command() };
        let expected = [opening(a_free_cart()), paid_for_nothing()];
        given::<Invoice>([]).when(InvoiceCommand::Open(command), NOON).then(expected);
    }

    #[test]
    fn an_invoice_is_opened_once() {
        given::<Invoice>([opened()])
            .when(InvoiceCommand::Open(an_open_command()), NOON)
            .then_rejected(Rejection::AlreadyOpened);
    }
}
