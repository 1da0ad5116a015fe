//! What payments do: a debt, the schedule that collects it, and its end.

use ids::InvoiceId;
use jiff::Timestamp;
use money::Money;

use super::Decision;
use crate::commands::{RecordPaymentFailed, TakeDunningStep};
use crate::dunning::{FinalAction, Next, Step};
use crate::events::{
    CancelReason, Cancelled, DunningStepTaken, PastDue, Paused, Recovered, RetryFailed, SubscriptionEvent,
};
use crate::rejection::Rejection;
use crate::state::{Debt, Status, Subscription};

pub(crate) fn record_payment_failed(
    subscription: &Subscription,
    command: RecordPaymentFailed,
    at: Timestamp,
) -> Decision {
    subscription.agreed()?;
    let RecordPaymentFailed { invoice_id, decline } = command;
    match (subscription.status(), subscription.debt()) {
        (Status::Active, None) => {
            Ok(vec![SubscriptionEvent::PastDue(PastDue { invoice_id, decline, since: at })])
        }
        (Status::PastDue, Some(debt)) if debt.invoice_id == invoice_id => {
            Ok(vec![SubscriptionEvent::RetryFailed(RetryFailed { decline, at })])
        }
        // It is over, rests, or owes another invoice first: there is nothing to begin.
        _ => Ok(Vec::new()),
    }
}

pub(crate) fn record_invoice_paid(
    subscription: &Subscription,
    invoice: InvoiceId,
    at: Timestamp,
) -> Decision {
    subscription.agreed()?;
    match subscription.debt() {
        Some(debt) if debt.invoice_id == invoice => {
            Ok(vec![SubscriptionEvent::Recovered(Recovered { invoice_id: invoice, at })])
        }
        _ => Ok(Vec::new()),
    }
}

pub(crate) fn take_dunning_step(
    subscription: &Subscription,
    command: &TakeDunningStep,
    at: Timestamp,
) -> Decision {
    let agreed = subscription.expect(&[Status::PastDue])?;
    let debt = subscription.debt().ok_or(Rejection::WrongStatus { status: Status::PastDue })?;
    let next = command.schedule.next(debt.since, debt.steps_taken);
    if at < next.at() {
        return Err(Rejection::NotDue { due_at: next.at() });
    }
    match next {
        Next::Step(place, _) => Ok(step(command, debt, place, at)),
        Next::Final(_) => {
            let nothing = Money::zero(agreed.terms.price.currency());
            Ok(last(command.schedule.final_action, nothing, at))
        }
    }
}

fn step(command: &TakeDunningStep, debt: &Debt, place: u32, at: Timestamp) -> Vec<SubscriptionEvent> {
    let planned = usize::try_from(place).ok().and_then(|place| command.schedule.steps.get(place));
    let Some(Step { retry, letter, .. }) = planned else { return Vec::new() };
    vec![SubscriptionEvent::DunningStepTaken(DunningStepTaken {
        step: place,
        invoice_id: debt.invoice_id,
        retry: *retry && debt.decline.may_be_retried(),
        letter: letter.clone(),
        at,
    })]
}

/// A debt that is kept stays past due: a person decides.
fn last(action: FinalAction, nothing: Money, at: Timestamp) -> Vec<SubscriptionEvent> {
    match action {
        FinalAction::Cancel => {
            let cancelled = Cancelled { reason: CancelReason::Unpaid, credit: nothing, at };
            vec![SubscriptionEvent::Cancelled(cancelled)]
        }
        FinalAction::Pause => {
            vec![SubscriptionEvent::Paused(Paused { resumes_at: None, unpaid: true, at })]
        }
        FinalAction::Keep => Vec::new(),
    }
}
