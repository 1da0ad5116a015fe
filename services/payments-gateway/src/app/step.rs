//! One question to the provider, and the record of its answer.

use std::time::{Duration, Instant};

use eventstore::{CommandContext, Loaded};
use fault::Fault;
use ids::{PaymentId, TenantId};
use jiff::{SignedDuration, Timestamp};
use kernel::Aggregate as _;
use money::Money;
use payments_gateway_domain::{
    Instrument, Payment, PaymentCommand, ProviderSnapshot, ProviderState, Status, Step, Terms,
};

use super::Payments;
use crate::metrics;
use crate::provider::{CaptureOrder, Order, PaymentProvider, ProviderError, RefundOrder};
use crate::table;

/// Longest pause a provider can ask for.
const PUT_OFF_MAX: Duration = Duration::from_secs(60 * 60);

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
        let answer = match self.providers.find(context.tenant, &terms.provider).await? {
            Some(provider) => self.ask_in_turn(context.tenant, &*provider, (&payment, &terms), &step).await?,
            None => Err(ProviderError::Transient("the provider is switched off".into())),
        };
        let outcome = answer.as_ref().map_or_else(ProviderError::kind, |_| "ok");
        metrics::asked(&terms.provider, name(&step), outcome, started.elapsed());
        let (command, trouble) = match answer {
            Ok(snapshot) => (Some(PaymentCommand::RecordProviderState(snapshot)), None),
            Err(error) => (self.refusal(context, (&payment, &terms), &step, &error).await?, Some(error)),
        };
        let Some(command) = command else { return Ok(Taken { payment, trouble }) };
        note_contradiction(&payment, &terms, &command, context);
        let instrument = instrument(&command, &terms);
        let payment = self.execute(context, payment, command).await?;
        if let Some(instrument) = instrument {
            let mut unit = self.store.begin(context).await?;
            self.keep(unit.connection(), context.tenant, &terms, &instrument).await?;
            unit.commit().await?;
        }
        Ok(Taken { payment, trouble })
    }

    /// One question, unless the provider is left alone because of repeated trouble.
    async fn ask_in_turn(
        &self,
        tenant: TenantId,
        provider: &dyn PaymentProvider,
        about: (&Loaded<Payment>, &Terms),
        step: &Step,
    ) -> fault::Result<Result<ProviderSnapshot, ProviderError>> {
        let code = provider.code();
        let account = (code, Some(tenant).filter(|_| !self.providers.is_shared(code)));
        if !self.health.admits(account, Instant::now()) {
            let alone = "the provider is left alone after repeated trouble";
            return Ok(Err(ProviderError::Transient(alone.into())));
        }
        let answer = self.ask(tenant, provider, about, step).await;
        let trouble = matches!(&answer, Ok(Err(error)) if error.is_trouble());
        self.health.report(account, trouble, Instant::now());
        answer
    }

    /// One question, with everything the provider needs for it.
    async fn ask(
        &self,
        tenant: TenantId,
        provider: &dyn PaymentProvider,
        (payment, terms): (&Loaded<Payment>, &Terms),
        step: &Step,
    ) -> fault::Result<Result<ProviderSnapshot, ProviderError>> {
        if *step != Step::Create {
            return Ok(ask(provider, payment, terms, step).await);
        }
        let means = match self.means(tenant, provider, terms).await? {
            Ok(means) => means,
            Err(error) => return Ok(Err(error)),
        };
        let (payment_id, customer) = (PaymentId::from_uuid(payment.id), means.customer.as_str());
        let order = Order { payment_id, terms, customer, instrument: means.instrument.as_ref() };
        Ok(provider.create(order).await)
    }

    /// A provider that wants to be left alone is asked again when it said.
    async fn put_off(
        &self,
        context: &CommandContext,
        payment: &Loaded<Payment>,
        pause: Duration,
    ) -> fault::Result<()> {
        let pause = SignedDuration::try_from(pause.min(PUT_OFF_MAX)).unwrap_or_default();
        let until = self.clock.wall().saturating_add(pause).unwrap_or(Timestamp::MAX);
        let mut unit = self.store.begin(context).await?;
        table::put_off(unit.connection(), PaymentId::from_uuid(payment.id), until).await?;
        unit.commit().await?;
        Ok(())
    }

    /// What a final no to this step means; nothing, where the provider may still do it.
    async fn refusal(
        &self,
        context: &CommandContext,
        (payment, terms): (&Loaded<Payment>, &Terms),
        step: &Step,
        error: &ProviderError,
    ) -> fault::Result<Option<PaymentCommand>> {
        let Some(code) = error.refusal() else {
            tracing::warn!(payment = %payment.id, step = name(step), %error, "provider has not answered");
            if let ProviderError::Limited { retry_after: Some(pause) } = error {
                self.put_off(context, payment, *pause).await?;
            }
            return Ok(None);
        };
        let (failure_code, decline) = (code.to_owned(), error.decline());
        tracing::info!(payment = %payment.id, step = name(step), code, "provider has refused");
        Ok(match step {
            Step::Create => Some(PaymentCommand::RecordProviderRefusal { failure_code, decline }),
            Step::Capture(_) => Some(PaymentCommand::RecordCaptureRefusal { failure_code }),
            Step::Refund { refund_id, .. } => {
                Some(PaymentCommand::RecordRefundRefusal { refund_id: *refund_id, failure_code })
            }
            // It cannot be given up because it is decided: then how?
            Step::Void => self.read_again(context, payment, terms).await?,
            Step::Watch | Step::Rest => None,
        })
    }

    async fn read_again(
        &self,
        context: &CommandContext,
        payment: &Loaded<Payment>,
        terms: &Terms,
    ) -> fault::Result<Option<PaymentCommand>> {
        let provider = self.providers.find(context.tenant, &terms.provider).await?;
        let Some((provider, reference)) = provider.zip(payment.state.provider_reference()) else {
            return Ok(None);
        };
        Ok(provider.fetch(reference).await.ok().map(PaymentCommand::RecordProviderState))
    }
}

/// What was paid with, where the terms say that it is kept and the money has moved or is reserved.
pub(super) fn instrument(command: &PaymentCommand, terms: &Terms) -> Option<Instrument> {
    let PaymentCommand::RecordProviderState(snapshot) = command else { return None };
    let paid = snapshot.state.took_money() || snapshot.state == ProviderState::Authorized;
    snapshot.instrument.clone().filter(|_| paid && terms.save_method)
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
        Step::Capture(capture) => {
            let captured = payment.state.captured().unwrap_or(Money::zero(terms.amount.currency()));
            let (capture, whole) = (*capture, terms.amount);
            provider.capture(CaptureOrder { payment_id, reference, capture, whole, captured }).await
        }
        Step::Void => provider.void(reference).await,
        Step::Refund { refund_id, amount } => {
            provider.refund(RefundOrder { reference, refund_id: *refund_id, amount: *amount }).await
        }
        Step::Watch | Step::Rest if payment.state.status() == Status::RequiresAction => {
            provider.confirm(reference).await
        }
        Step::Create | Step::Watch | Step::Rest => provider.fetch(reference).await,
    }
}

const fn name(step: &Step) -> &'static str {
    match step {
        Step::Create => "create",
        Step::Capture(_) => "capture",
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
    let PaymentCommand::RecordProviderState(snapshot) = command else { return };
    if payment.state.contradicted_by(snapshot).is_some() {
        contradicted(&terms.provider, payment.id, "other_money");
    } else if let Err(rejection) = payment.state.decide(command.clone(), context.at) {
        contradicted(&terms.provider, payment.id, rejection.code());
    }
}

pub(super) fn contradicted(provider: &str, payment: uuid::Uuid, code: &'static str) {
    metrics::contradiction(provider, code);
    tracing::error!(provider, %payment, code, "provider contradicts our record");
}
