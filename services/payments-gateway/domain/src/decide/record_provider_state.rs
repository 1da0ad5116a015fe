//! RecordProviderState: what a snapshot of the provider changes.
//!
//! Reports repeat themselves, overtake each other and come late; all of that is normal here:
//! - a payment only moves forward (action, processing, authorised, decided), so a report from
//!   before what we know is silent;
//! - captured beats everything: a capture after we took the payment for failed or voided is
//!   recorded as late, and nothing but refunds and disputes changes a captured payment;
//! - a report of another amount or currency books nothing: it is recorded as a contradiction, once,
//!   whatever else it says.

mod disputes;
mod refunds;

use money::Money;

use super::expire::EXPIRED;
use super::{Decision, failed, known};
use crate::{
    ActionRequired, Authorized, Captured, Contradicted, PartiallyCaptured, Payment, PaymentEvent,
    PaymentRejection, ProcessingStarted, ProviderAccepted, ProviderSnapshot, ProviderState, RestReleased,
    Status, Terms, VoidReason, Voided,
};

/// Decides [`RecordProviderState`](crate::PaymentCommand::RecordProviderState).
pub fn record_provider_state(payment: &Payment, snapshot: &ProviderSnapshot) -> Decision {
    let terms = known(payment)?;
    let mut events: Vec<_> = acceptance(payment, snapshot)?.into_iter().collect();
    if let Some(contradiction) = payment.contradicted_by(snapshot) {
        if payment.contradiction.as_ref() != Some(&contradiction) {
            events.push(PaymentEvent::Contradicted(contradiction));
        }
        return Ok(events);
    }
    events.extend(progress(payment, terms, &snapshot.state));
    let taken = if snapshot.state.took_money() { taken(terms, &snapshot.state) } else { payment.captured };
    if let Some(taken) = taken {
        let taken = payment.captured.filter(|known| known.minor() > taken.minor()).unwrap_or(taken);
        events.extend(refunds::refunds(payment, (terms, taken), &snapshot.refunds)?);
        events.extend(disputes::disputes(payment, terms, &snapshot.disputes));
    }
    Ok(events)
}

impl Payment {
    /// What is wrong about the money in a report, if anything is.
    ///
    /// Of a payment that is in contradiction already, the end without money is believed.
    #[must_use]
    pub fn contradicted_by(&self, snapshot: &ProviderSnapshot) -> Option<Contradicted> {
        let terms = self.terms.as_ref()?;
        let ended = matches!(snapshot.state, ProviderState::Failed { .. } | ProviderState::Voided);
        let excused = ended && self.status == Status::Contradicted;
        let reported = match &snapshot.state {
            _ if snapshot.amount != terms.amount && !excused => snapshot.amount,
            ProviderState::PartiallyCaptured { captured, .. } if !fits(*captured, terms.amount) => *captured,
            _ => return None,
        };
        let (invoice_id, provider) = (terms.invoice_id, terms.provider.clone());
        let state = snapshot.state.name().to_owned();
        Some(Contradicted { invoice_id, provider, expected: terms.amount, reported, state })
    }
}

fn fits(part: Money, whole: Money) -> bool {
    part.currency() == whole.currency() && part.is_positive() && part.minor() <= whole.minor()
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
    let begun = matches!(now, Status::Created | Status::Contradicted);
    match reported {
        ProviderState::RequiresAction { redirect_url } => {
            begun.then(|| PaymentEvent::ActionRequired(ActionRequired { redirect_url: redirect_url.clone() }))
        }
        ProviderState::Processing => (begun || now == Status::RequiresAction)
            .then_some(PaymentEvent::ProcessingStarted(ProcessingStarted {})),
        ProviderState::Authorized => (now.is_open() && now != Status::Authorized)
            .then_some(PaymentEvent::Authorized(Authorized { amount: terms.amount })),
        ProviderState::PartiallyCaptured { .. } | ProviderState::Captured => {
            capture(payment, terms, reported)
        }
        ProviderState::Failed { failure_code, decline } => {
            now.is_open().then(|| failed(terms, failure_code.clone(), *decline))
        }
        ProviderState::Voided => now.is_open().then(|| given_up(payment, terms)),
    }
}

/// All that a report says was taken.
const fn taken(terms: &Terms, reported: &ProviderState) -> Option<Money> {
    match reported {
        ProviderState::PartiallyCaptured { captured, .. } => Some(*captured),
        ProviderState::Captured => Some(terms.amount),
        _ => None,
    }
}

/// More was taken than we knew, or the rest is not reserved any more.
fn capture(payment: &Payment, terms: &Terms, reported: &ProviderState) -> Option<PaymentEvent> {
    let zero = Money::zero(terms.amount.currency());
    let (before, total) = (payment.captured.unwrap_or(zero), taken(terms, reported)?);
    let late = !payment.status.is_open() && !payment.status.was_captured();
    let rest_reserved = matches!(reported, ProviderState::PartiallyCaptured { rest_reserved: true, .. });
    let (invoice_id, provider) = (terms.invoice_id, terms.provider.clone());
    let part = total.minus(before).ok()?;
    if !part.is_positive() {
        let released = payment.rest_reserved && !rest_reserved && part.is_zero();
        let rest = terms.amount.minus(total).ok()?;
        return released.then_some(PaymentEvent::RestReleased(RestReleased { amount: rest }));
    }
    if total == terms.amount {
        return Some(PaymentEvent::Captured(Captured { invoice_id, amount: total, provider, late }));
    }
    Some(PaymentEvent::PartiallyCaptured(PartiallyCaptured {
        invoice_id,
        amount: part,
        captured_total: total,
        provider,
        rest_reserved,
        late,
    }))
}

fn given_up(payment: &Payment, terms: &Terms) -> PaymentEvent {
    if payment.void_requested == Some(VoidReason::Expired) {
        return failed(terms, EXPIRED.to_owned(), None);
    }
    PaymentEvent::Voided(Voided { invoice_id: terms.invoice_id })
}
