//! Receiving a webhook: signature, then the inbox and the payment in one commit.
//!
//! The tenant is found from our own record of the payment, never from what the sender says. An
//! unknown payment, a contradiction or a database in trouble leaves nothing behind, and the
//! provider sends again.

use eventstore::{CommandContext, retry_stale};
use fault::{Code, Fault};
use ids::{OperationId, TenantId};
use jiff::Timestamp;
use kernel::Aggregate as _;
use payments_gateway_domain::{Payment, PaymentCommand};

use super::step::contradicted;
use super::{ATTEMPTS, Payments};
use crate::metrics;
use crate::provider::{PaymentProvider, ProviderEvent, RawWebhook, WebhookRefusal};
use crate::refusal::webhook_refused;
use crate::table::{self, Found};

/// What became of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was new.
    Accepted,
    /// It had been taken before.
    Duplicate,
}

impl Outcome {
    /// Its word in answers and metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
        }
    }
}

impl Payments {
    /// Takes one webhook of the provider with this code.
    pub(crate) async fn receive(
        &self,
        code: &str,
        webhook: &RawWebhook,
        traceparent: Option<String>,
    ) -> fault::Result<Outcome> {
        let provider = self.providers.provider(code).ok_or_else(|| {
            Fault::new(Code::NotFound, "webhook_provider_unknown", "There is no such payment provider.")
        })?;
        let outcome = self.take(provider, webhook, traceparent).await;
        let word = outcome.as_ref().map_or_else(|fault| fault.reason(), |outcome| outcome.word());
        metrics::webhook(code, word);
        outcome
    }

    async fn take(
        &self,
        provider: &dyn PaymentProvider,
        webhook: &RawWebhook,
        traceparent: Option<String>,
    ) -> fault::Result<Outcome> {
        let now = self.clock.wall();
        let mut event = provider.parse_and_verify_webhook(webhook, now).map_err(not_believed)?;
        if !provider.capabilities().signs_webhooks {
            let read_again = provider.fetch(&event.snapshot.reference).await;
            event.snapshot = read_again.map_err(|error| Fault::unavailable("provider_unavailable", error))?;
        }
        let apply = || self.apply(provider.code(), &event, now, traceparent.clone());
        retry_stale(ATTEMPTS, apply).await
    }

    async fn apply(
        &self,
        provider: &'static str,
        event: &ProviderEvent,
        now: Timestamp,
        traceparent: Option<String>,
    ) -> fault::Result<Outcome> {
        let mut unit = self.store.begin_worker(None).await?;
        let received = table::receive(unit.connection(), provider, event, now).await?;
        let Some((found, fresh)) = received else {
            let message = "There is no payment with this reference.";
            return Err(Fault::new(Code::NotFound, "webhook_payment_unknown", message));
        };
        if !fresh {
            return Ok(Outcome::Duplicate);
        }
        let context = context(provider, event, found, self.clock.now(found.tenant), traceparent);
        let at = context.at;
        unit.set_context(context);
        let mut payment = unit.load::<Payment>(found.payment_id.as_uuid()).await?;
        let report = PaymentCommand::RecordProviderState(event.snapshot.clone());
        let events = payment.state.decide(report, at).map_err(|rejection| {
            contradicted(provider, payment.id, &rejection);
            webhook_refused(&rejection)
        })?;
        self.write(&mut unit, &mut payment, events).await?;
        unit.commit().await?;
        Ok(Outcome::Accepted)
    }
}

/// The chain that began with the checkout goes on: the correlation is the payment's.
fn context(
    provider: &str,
    event: &ProviderEvent,
    found: Found,
    at: Timestamp,
    traceparent: Option<String>,
) -> CommandContext {
    let tenant: TenantId = found.tenant;
    CommandContext {
        tenant,
        actor: format!("provider:{provider}"),
        operation_id: OperationId::derived(&["webhook", provider, &event.event_id]),
        correlation_id: found.correlation_id,
        causation_id: None,
        traceparent,
        at,
    }
}

fn not_believed(refusal: WebhookRefusal) -> Fault {
    let (code, reason, message) = match refusal {
        WebhookRefusal::SignatureMissing => {
            (Code::Unauthenticated, "webhook_signature_missing", "The webhook carries no signature.")
        }
        WebhookRefusal::SignatureInvalid => {
            (Code::Unauthenticated, "webhook_signature_invalid", "The webhook's signature is wrong.")
        }
        WebhookRefusal::TimestampStale => {
            (Code::Unauthenticated, "webhook_timestamp_stale", "The webhook was signed at another time.")
        }
        WebhookRefusal::Malformed(_) => {
            (Code::InvalidInput, "webhook_malformed", "The webhook cannot be read.")
        }
    };
    Fault::new(code, reason, message).with_source(refusal)
}
