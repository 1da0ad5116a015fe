//! One question to the provider, and the record of its answer.

use std::time::Instant;

use eventstore::{CommandContext, Loaded};
use fault::Fault;
use ids::PaymentId;
use kernel::Aggregate as _;
use payments_gateway_domain::{
    Payment, PaymentCommand, PaymentRejection, ProviderSnapshot, Status, Step, Terms,
};

use super::Payments;
use crate::metrics;
use crate::provider::{Order, PaymentProvider, ProviderError, RefundOrder};

/// A payment after a step, and what the provider had against it.
pub(super) struct Taken {
    pub(super) payment: Loaded<Payment>,
    pub(super) trouble: Option<ProviderError>,
}

impl Taken {
    /// The fault of a provider that could not answer, if it could not.
    pub(super) fn unanswered(self) -> fault::Result<Loaded<Payment>> {
        match self.trouble {
            Some(error) if error.refusal().is_none() => {
                Err(Fault::unavailable("provider_unavailable", error))
            }
            _ => Ok(self.payment),
        }
    }
}

impl Payments {
    /// Asks the provider what is open and records what it says.
    pub(super) async fn take_next_step(
        &self,
        context: &CommandContext,
        payment: Loaded<Payment>,
    ) -> fault::Result<Taken> {
        let step = payment.state.step();
        self.take_step(context, payment, step).await
    }

    /// Asks the provider this and records what it says. Nothing is locked meanwhile.
    pub(super) async fn take_step(
        &self,
        context: &CommandContext,
        payment: Loaded<Payment>,
        step: Step,
    ) -> fault::Result<Taken> {
        let Some(terms) = payment.state.terms().cloned().filter(|_| step != Step::Rest) else {
            return Ok(Taken { payment, trouble: None });
        };
        let started = Instant::now();
        let answer = match self.providers.provider(&terms.provider) {
            Some(provider) => ask(provider, &payment, &terms, &step).await,
            None => Err(ProviderError::Transient("the provider is switched off".into())),
        };
        let outcome = answer.as_ref().map_or_else(ProviderError::kind, |_| "ok");
        metrics::asked(&terms.provider, name(&step), outcome, started.elapsed());
        let (command, trouble) = match answer {
            Ok(snapshot) => (Some(PaymentCommand::RecordProviderState(snapshot)), None),
            Err(error) => (self.refusal(&payment, &terms, &step, &error).await, Some(error)),
        };
        let Some(command) = command else { return Ok(Taken { payment, trouble }) };
        note_contradiction(&payment, &terms, &command, context);
        let payment = self.execute(context, payment, command).await?;
        Ok(Taken { payment, trouble })
    }

    /// What a final no to this step means; nothing, where the provider may still do it.
    async fn refusal(
        &self,
        payment: &Loaded<Payment>,
        terms: &Terms,
        step: &Step,
        error: &ProviderError,
    ) -> Option<PaymentCommand> {
        let Some(code) = error.refusal() else {
            tracing::warn!(payment = %payment.id, step = name(step), %error, "provider has not answered");
            return None;
        };
        let failure_code = code.to_owned();
        tracing::info!(payment = %payment.id, step = name(step), code, "provider has refused");
        match step {
            Step::Create => Some(PaymentCommand::RecordProviderRefusal { failure_code }),
            Step::Capture => Some(PaymentCommand::RecordCaptureRefusal { failure_code }),
            Step::Refund { refund_id, .. } => {
                Some(PaymentCommand::RecordRefundRefusal { refund_id: *refund_id, failure_code })
            }
            Step::Void => {
                // It cannot be given up because it is decided: then how?
                let provider = self.providers.provider(&terms.provider)?;
                let state = provider.fetch(payment.state.provider_reference()?).await.ok()?;
                Some(PaymentCommand::RecordProviderState(state))
            }
            Step::Watch | Step::Rest => None,
        }
    }
}

async fn ask(
    provider: &dyn PaymentProvider,
    payment: &Loaded<Payment>,
    terms: &Terms,
    step: &Step,
) -> Result<ProviderSnapshot, ProviderError> {
    let reference = payment.state.provider_reference().unwrap_or_default();
    let payment_id = PaymentId::from_uuid(payment.id);
    match step {
        Step::Create => provider.create(Order { payment_id, terms }).await,
        Step::Capture => provider.capture(reference).await,
        Step::Void => provider.void(reference).await,
        Step::Refund { refund_id, amount } => {
            provider.refund(RefundOrder { reference, refund_id: *refund_id, amount: *amount }).await
        }
        Step::Watch | Step::Rest if payment.state.status() == Status::RequiresAction => {
            provider.confirm(reference).await
        }
        Step::Watch | Step::Rest => provider.fetch(reference).await,
    }
}

const fn name(step: &Step) -> &'static str {
    match step {
        Step::Create => "create",
        Step::Capture => "capture",
        Step::Void => "void",
        Step::Refund { .. } => "refund",
        Step::Watch | Step::Rest => "fetch",
    }
}

/// A provider that speaks of other money than we agreed on is worth an alarm.
fn note_contradiction(
    payment: &Loaded<Payment>,
    terms: &Terms,
    command: &PaymentCommand,
    context: &CommandContext,
) {
    if let PaymentCommand::RecordProviderState(_) = command
        && let Err(rejection) = payment.state.decide(command.clone(), context.at)
    {
        contradicted(&terms.provider, payment.id, &rejection);
    }
}

pub(super) fn contradicted(provider: &str, payment: uuid::Uuid, rejection: &PaymentRejection) {
    metrics::contradiction(provider, rejection.code());
    tracing::error!(provider, %payment, %rejection, "provider contradicts our record");
}
