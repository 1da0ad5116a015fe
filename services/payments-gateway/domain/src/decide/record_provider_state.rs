//! RecordProviderState: what a snapshot of the provider changes.
//!
//! Reports repeat themselves, overtake each other and come late; all of that is normal here:
//! - a payment only moves forward (action, processing, authorised, decided), so a report from
//!   before what we know is silent;
//! - captured beats everything: a capture after we took the payment for failed or voided is
//!   recorded as late, and nothing but a refund changes a captured payment;
//! - the amount must be exactly ours in *every* report, whatever it says.

use money::Money;

use super::expire::EXPIRED;
use super::{Decision, failed, known, same_amount};
use crate::{
    ActionRequired, Authorized, Captured, Payment, PaymentEvent, PaymentRejection, ProcessingStarted,
    ProviderAccepted, ProviderRefund, ProviderSnapshot, ProviderState, RefundFailed, RefundOutcome, Refunded,
    Status, Terms, VoidReason, Voided,
};

/// Decides [`RecordProviderState`](crate::PaymentCommand::RecordProviderState).
pub fn record_provider_state(payment: &Payment, snapshot: &ProviderSnapshot) -> Decision {
    let terms = known(payment)?;
    same_amount(terms.amount, snapshot.amount)?;
    let mut events: Vec<_> = acceptance(payment, snapshot)?.into_iter().collect();
    events.extend(progress(payment, terms, &snapshot.state));
    let captured = payment.status.was_captured() || snapshot.state == ProviderState::Captured;
    if captured {
        events.extend(refunds(payment, terms, &snapshot.refunds)?);
    }
    Ok(events)
}

fn acceptance(
    payment: &Payment,
    snapshot: &ProviderSnapshot,
) -> Result<Option<PaymentEvent>, PaymentRejection> {
    let provider_reference = snapshot.reference.clone();
    match &payment.provider_reference {
        None => Ok(Some(PaymentEvent::ProviderAccepted(ProviderAccepted { provider_reference }))),
        Some(ours) if *ours == snapshot.reference => Ok(None),
        Some(ours) => {
            Err(PaymentRejection::ReferenceDiffers { ours: ours.clone(), reported: provider_reference })
        }
    }
}

/// The one step forward that a report means, if it means any.
fn progress(payment: &Payment, terms: &Terms, reported: &ProviderState) -> Option<PaymentEvent> {
    let now = payment.status;
    match reported {
        ProviderState::RequiresAction { redirect_url } => (now == Status::Created)
            .then(|| PaymentEvent::ActionRequired(ActionRequired { redirect_url: redirect_url.clone() })),
        ProviderState::Processing => matches!(now, Status::Created | Status::RequiresAction)
            .then_some(PaymentEvent::ProcessingStarted(ProcessingStarted {})),
        ProviderState::Authorized => (now.is_open() && now != Status::Authorized)
            .then_some(PaymentEvent::Authorized(Authorized { amount: terms.amount })),
        ProviderState::Captured => (!now.was_captured()).then(|| captured(terms, !now.is_open())),
        ProviderState::Failed { failure_code } => now.is_open().then(|| failed(terms, failure_code.clone())),
        ProviderState::Voided => now.is_open().then(|| given_up(payment, terms)),
    }
}

fn captured(terms: &Terms, late: bool) -> PaymentEvent {
    PaymentEvent::Captured(Captured {
        invoice_id: terms.invoice_id,
        amount: terms.amount,
        provider: terms.provider.clone(),
        late,
    })
}

fn given_up(payment: &Payment, terms: &Terms) -> PaymentEvent {
    if payment.void_requested == Some(VoidReason::Expired) {
        return failed(terms, EXPIRED.to_owned());
    }
    PaymentEvent::Voided(Voided { invoice_id: terms.invoice_id })
}

/// Refunds that ended since we last heard, oldest first as the provider lists them.
fn refunds(
    payment: &Payment,
    terms: &Terms,
    reported: &[ProviderRefund],
) -> Result<Vec<PaymentEvent>, PaymentRejection> {
    let mut total = payment.refunded.unwrap_or(Money::zero(terms.amount.currency()));
    let mut events = Vec::new();
    for refund in reported {
        let known = payment.refunds.get(&refund.refund_id).map(|known| &known.outcome);
        match (&refund.outcome, known) {
            (RefundOutcome::Completed, Some(RefundOutcome::Completed)) | (RefundOutcome::Pending, _) => {}
            (RefundOutcome::Completed, _) => {
                total = grown(total, refund.amount, terms.amount)?;
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
