//! Refunds that ended since we last heard, oldest first as the provider lists them. Together they
//! never exceed what was taken.

use money::Money;

use crate::{
    Payment, PaymentEvent, PaymentRejection, ProviderRefund, RefundFailed, RefundOutcome, Refunded, Terms,
};

/// What the listed refunds change, given the terms and all that was taken.
pub fn refunds(
    payment: &Payment,
    (terms, taken): (&Terms, Money),
    reported: &[ProviderRefund],
) -> Result<Vec<PaymentEvent>, PaymentRejection> {
    let mut total = payment.refunded.unwrap_or(Money::zero(terms.amount.currency()));
    let mut events = Vec::new();
    for refund in reported {
        let known = payment.refunds.get(&refund.refund_id).map(|known| &known.outcome);
        match (&refund.outcome, known) {
            (RefundOutcome::Completed, Some(RefundOutcome::Completed)) | (RefundOutcome::Pending, _) => {}
            (RefundOutcome::Completed, _) => {
                total = grown(total, refund.amount, taken)?;
                events.push(refunded(terms, refund, total));
            }
            (RefundOutcome::Failed { failure_code }, Some(RefundOutcome::Pending)) => {
                let (refund_id, failure_code) = (refund.refund_id, failure_code.clone());
                events.push(PaymentEvent::RefundFailed(RefundFailed { refund_id, failure_code }));
            }
            (RefundOutcome::Failed { .. }, _) => {}
        }
    }
    Ok(events)
}

fn refunded(terms: &Terms, refund: &ProviderRefund, refunded_total: Money) -> PaymentEvent {
    let (refund_id, amount) = (refund.refund_id, refund.amount);
    PaymentEvent::Refunded(Refunded { invoice_id: terms.invoice_id, refund_id, amount, refunded_total })
}

fn grown(total: Money, amount: Money, captured: Money) -> Result<Money, PaymentRejection> {
    if amount.currency() != captured.currency() {
        let (expected, reported) = (captured.currency(), amount.currency());
        return Err(PaymentRejection::CurrencyMismatch { expected, reported });
    }
    if !amount.is_positive() {
        return Err(PaymentRejection::RefundNotPositive);
    }
    let grown = total.plus(amount).ok().filter(|grown| grown.minor() <= captured.minor());
    grown.ok_or_else(|| {
        let refundable = captured.minus(total).unwrap_or(Money::zero(captured.currency()));
        PaymentRejection::RefundExceedsCapture { refundable }
    })
}
