//! Money has arrived. It pays the invoice if it is owed, exactly and by a payment of its own;
//! otherwise it is a surplus and must go back.

use jiff::Timestamp;

use super::{Decision, attempt, opened};
use crate::{
    AttemptOutcome, Invoice, InvoiceEvent, InvoicePaid, PaymentSurplusDetected, RecordPayment, Rejection,
    Status, SurplusReason,
};

pub(crate) fn record_payment(invoice: &Invoice, command: &RecordPayment, at: Timestamp) -> Decision {
    let facts = opened(invoice)?;
    let &RecordPayment { payment_id, amount } = command;
    let attempt = attempt(invoice, payment_id)?;
    if matches!(attempt.outcome, AttemptOutcome::Paid | AttemptOutcome::Surplus) {
        return Ok(Vec::new());
    }
    let surplus = |reason| {
        let surplus = PaymentSurplusDetected { payment_id, amount, reason };
        Ok(vec![InvoiceEvent::PaymentSurplusDetected(surplus)])
    };
    match invoice.status() {
        Status::Paid | Status::Refunded => surplus(SurplusReason::AlreadyPaid),
        Status::Void => surplus(SurplusReason::Voided),
        Status::Open | Status::Draft if amount != facts.total => {
            Err(Rejection::PaymentAmountDiffers { expected: facts.total, actual: amount })
        }
        Status::Open | Status::Draft => Ok(vec![InvoiceEvent::Paid(InvoicePaid {
            payment_id: Some(payment_id),
            amount,
            number: facts.number.clone(),
            user_id: facts.user_id,
            at,
        })]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InvoiceCommand;
    use crate::samples::{NOON, TOTAL, eur, failed, opened, paid, payment, started, surplus, voided};
    use kernel::testing::given;
    use money::{Currency, Money};

    fn record(nth: u128, amount: Money) -> InvoiceCommand {
        InvoiceCommand::RecordPayment(RecordPayment { payment_id: payment(nth), amount })
    }

    #[test]
    fn the_exact_amount_pays_the_invoice() {
        given::<Invoice>([opened(), started(1)]).when(record(1, TOTAL), NOON).then([paid(1)]);
    }

    #[test]
    fn another_amount_or_currency_pays_nothing() {
        for actual in
            [eur(TOTAL.minor() - 1), eur(TOTAL.minor() + 1), Money::new(TOTAL.minor(), Currency::JPY)]
        {
            given::<Invoice>([opened(), started(1)])
                .when(record(1, actual), NOON)
                .then_rejected(Rejection::PaymentAmountDiffers { expected: TOTAL, actual });
        }
    }

    #[test]
    fn a_payment_of_another_invoice_pays_nothing() {
        given::<Invoice>([opened(), started(1)])
            .when(record(2, TOTAL), NOON)
            .then_rejected(Rejection::PaymentUnknown { payment: payment(2) });
    }

    #[test]
    fn the_same_payment_arrives_once() {
        given::<Invoice>([opened(), started(1), paid(1)]).when(record(1, TOTAL), NOON).then_nothing();
    }

    #[test]
    fn a_second_payment_is_a_surplus_once() {
        let past = [opened(), started(1), started(2), paid(1)];
        let detected = surplus(2, SurplusReason::AlreadyPaid);
        given::<Invoice>(past.clone()).when(record(2, TOTAL), NOON).then([detected.clone()]);
        given::<Invoice>(past.into_iter().chain([detected])).when(record(2, TOTAL), NOON).then_nothing();
    }

    #[test]
    fn a_late_payment_of_a_void_invoice_is_a_surplus() {
        given::<Invoice>([opened(), started(1), voided()])
            .when(record(1, TOTAL), NOON)
            .then([surplus(1, SurplusReason::Voided)]);
    }

    #[test]
    fn money_that_arrives_after_a_failure_counts() {
        given::<Invoice>([opened(), started(1), failed(1)]).when(record(1, TOTAL), NOON).then([paid(1)]);
    }

    #[test]
    fn an_unopened_invoice_takes_no_money() {
        given::<Invoice>([]).when(record(1, TOTAL), NOON).then_rejected(Rejection::NotOpened);
    }
}
