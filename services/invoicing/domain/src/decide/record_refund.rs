//! Money went back. When all of the paying payment has, the invoice is refunded.

use jiff::Timestamp;

use super::{Decision, attempt, opened};
use crate::{
    AttemptOutcome, Invoice, InvoiceEvent, InvoiceRefunded, RecordRefund, RefundRecorded, Rejection, Status,
};

pub(crate) fn record_refund(invoice: &Invoice, command: &RecordRefund, at: Timestamp) -> Decision {
    opened(invoice)?;
    let &RecordRefund { payment_id, refunded_total } = command;
    let attempt = attempt(invoice, payment_id)?;
    let captured = attempt.captured.ok_or(Rejection::PaymentNotCaptured { payment: payment_id })?;
    let same_currency = captured.currency() == refunded_total.currency();
    if !same_currency || refunded_total.minor() > captured.minor() {
        return Err(Rejection::RefundExceedsPayment { captured, refunded: refunded_total });
    }
    if refunded_total.minor() <= attempt.refunded_minor {
        return Ok(Vec::new()); // known, or overtaken by a later refund
    }
    let mut events = vec![InvoiceEvent::RefundRecorded(RefundRecorded { payment_id, refunded_total })];
    let paying = attempt.outcome == AttemptOutcome::Paid && invoice.status() == Status::Paid;
    if paying && refunded_total == captured {
        events.push(InvoiceEvent::Refunded(InvoiceRefunded { total: captured, at }));
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{
        NOON, TOTAL, eur, opened, paid, payment, refund_recorded, refunded, started, surplus, voided,
    };
    use crate::{InvoiceCommand, SurplusReason};
    use kernel::testing::given;
    use money::Money;

    fn refund(nth: u128, refunded_total: Money) -> InvoiceCommand {
        InvoiceCommand::RecordRefund(RecordRefund { payment_id: payment(nth), refunded_total })
    }

    #[test]
    fn a_part_that_went_back_leaves_the_invoice_paid() {
        given::<Invoice>([opened(), started(1), paid(1)])
            .when(refund(1, eur(5)), NOON)
            .then([refund_recorded(1, eur(5))]);
    }

    #[test]
    fn the_whole_amount_refunds_the_invoice() {
        given::<Invoice>([opened(), started(1), paid(1), refund_recorded(1, eur(5))])
            .when(refund(1, TOTAL), NOON)
            .then([refund_recorded(1, TOTAL), refunded()]);
    }

    #[test]
    fn repeated_and_overtaken_refunds_change_nothing() {
        let past = [opened(), started(1), paid(1), refund_recorded(1, eur(7))];
        for known in [7, 5] {
            given::<Invoice>(past.clone()).when(refund(1, eur(known)), NOON).then_nothing();
        }
    }

    #[test]
    fn a_surplus_that_went_back_does_not_refund_the_invoice() {
        let surplus = surplus(1, SurplusReason::Voided);
        given::<Invoice>([opened(), started(1), voided(), surplus])
            .when(refund(1, TOTAL), NOON)
            .then([refund_recorded(1, TOTAL)]);
    }

    #[test]
    fn more_than_arrived_cannot_go_back() {
        let too_much = eur(TOTAL.minor() + 1);
        given::<Invoice>([opened(), started(1), paid(1)])
            .when(refund(1, too_much), NOON)
            .then_rejected(Rejection::RefundExceedsPayment { captured: TOTAL, refunded: too_much });
        given::<Invoice>([opened(), started(1)])
            .when(refund(1, eur(1)), NOON)
            .then_rejected(Rejection::PaymentNotCaptured { payment: payment(1) });
    }
}
