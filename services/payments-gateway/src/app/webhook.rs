//! Receiving a webhook: signature, then the inbox and the payment in one commit.
//!
//! The payment's tenant is found from our own record, never from what the sender says; the tenant
//! that was called only chooses whose secret verifies, and that secret speaks about this tenant's
//! payments alone. An unknown payment or a database in trouble leaves nothing behind and the
//! provider sends again; of a contradiction the alarm stays.

use eventstore::{CommandContext, Loaded, retry_stale};
use fault::{Code, Fault};
use ids::{OperationId, PaymentId, TenantId};
use jiff::Timestamp;
use kernel::Aggregate as _;
use payments_gateway_domain::{Contradicted, Payment, PaymentCommand, ProviderSnapshot};

use super::step::{contradicted, instrument};
use super::{ATTEMPTS, Payments};
use crate::metrics;
use crate::provider::{News, PaymentProvider, ProviderError, ProviderEvent, RawWebhook, WebhookRefusal};
use crate::refusal::{other_money, webhook_refused};
use crate::table::{self, Found, Named};

/// What became of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was new.
    Accepted,
    /// It had been taken before.
    Duplicate,
    /// It is genuine and about nothing that we keep.
    Ignored,
}

impl Outcome {
    /// Its word in answers and metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
        }
    }
}

impl Payments {
    /// Takes one webhook of the provider with this code.
    pub(crate) async fn receive(
        &self,
        (tenant, code): (TenantId, &str),
        webhook: &RawWebhook,
        traceparent: Option<String>,
    ) -> fault::Result<Outcome> {
        let provider = self.providers.find(tenant, code).await?.ok_or_else(|| {
            Fault::new(Code::NotFound, "webhook_provider_unknown", "There is no such payment provider.")
        })?;
        // Whoever knows one tenant's webhook secret must not speak about another tenant's payments.
        let scope = Some(tenant).filter(|_| !self.providers.is_shared(code));
        let outcome = self.take(&*provider, webhook, (scope, traceparent)).await;
        if scope.is_some() {
            self.note_webhook(tenant, code, outcome.as_ref().err().map(Fault::reason)).await;
        }
        let word = outcome.as_ref().map_or_else(|fault| fault.reason(), |outcome| outcome.word());
        metrics::webhook(code, word);
        outcome
    }

    async fn take(
        &self,
        provider: &dyn PaymentProvider,
        webhook: &RawWebhook,
        (tenant, traceparent): (Option<TenantId>, Option<String>),
    ) -> fault::Result<Outcome> {
        let now = self.clock.wall();
        let mut event = provider.parse_and_verify_webhook(webhook, now).map_err(not_believed)?;
        let news = std::mem::replace(&mut event.news, News::Nothing);
        let (payment_id, snapshot) = match news {
            News::Nothing => return Ok(Outcome::Ignored),
            News::Setup { setup_id, snapshot } => {
                let named = (setup_id, &*snapshot);
                return self.receive_setup(provider.code(), &event, named, tenant).await;
            }
            News::SetupChanged { setup_id, reference } => {
                let (snapshot, _) = provider.fetch_setup(&reference).await.map_err(unavailable)?;
                return self.receive_setup(provider.code(), &event, (setup_id, &snapshot), tenant).await;
            }
            News::Payment { payment_id, snapshot } if provider.capabilities().signs_webhooks => {
                (payment_id, *snapshot)
            }
            News::Payment { payment_id, snapshot } => {
                (payment_id, read_again(provider, &snapshot.reference).await?)
            }
            // An account may be used by others too: what is theirs is not read.
            News::PaymentChanged { payment_id: None, reference }
                if !self.knows(provider.code(), &reference).await? =>
            {
                return Ok(Outcome::Ignored);
            }
            News::PaymentChanged { payment_id, reference } => {
                (payment_id, read_again(provider, &reference).await?)
            }
        };
        let report = Report { event, payment_id, snapshot, tenant, now };
        let apply = || self.apply(provider.code(), &report, traceparent.clone());
        retry_stale(ATTEMPTS, apply).await
    }

    async fn apply(
        &self,
        provider: &'static str,
        report: &Report,
        traceparent: Option<String>,
    ) -> fault::Result<Outcome> {
        let Report { event, payment_id, snapshot, tenant, now } = report;
        let mut unit = self.store.begin_worker(None).await?;
        let named = Named { reference: &snapshot.reference, payment_id: *payment_id, tenant: *tenant };
        let received = table::receive(unit.connection(), provider, (event, named), *now).await?;
        let Some((found, fresh)) = received else {
            let message = "There is no payment with this reference.";
            return Err(Fault::new(Code::NotFound, "webhook_payment_unknown", message));
        };
        if !fresh {
            return Ok(Outcome::Duplicate);
        }
        let context = context(provider, event, found, self.clock.now(found.tenant), traceparent);
        let at = context.at;
        unit.set_context(context.clone());
        let mut payment = unit.load::<Payment>(found.payment_id.as_uuid()).await?;
        if let Some(contradiction) = payment.state.contradicted_by(snapshot) {
            drop(unit); // nothing of it is kept but the alarm, so that a right report under this id counts
            return self.contradict(context, payment, (snapshot, contradiction)).await;
        }
        let command = PaymentCommand::RecordProviderState(snapshot.clone());
        let terms = payment.state.terms().cloned();
        let instrument = terms.as_ref().and_then(|terms| instrument(&command, terms));
        let events = payment.state.decide(command, at).map_err(|rejection| {
            contradicted(provider, payment.id, rejection.code());
            webhook_refused(&rejection)
        })?;
        self.write(&mut unit, &mut payment, events).await?;
        if let Some((terms, instrument)) = terms.zip(instrument) {
            self.keep(unit.connection(), found.tenant, &terms, &instrument).await?;
        }
        unit.commit().await?;
        Ok(Outcome::Accepted)
    }

    async fn knows(&self, provider: &str, reference: &str) -> fault::Result<bool> {
        let mut unit = self.store.begin_worker(None).await?;
        table::knows(unit.connection(), provider, reference).await
    }

    /// A webhook about other money: recorded as what it is, and refused.
    async fn contradict(
        &self,
        context: CommandContext,
        payment: Loaded<Payment>,
        (snapshot, contradiction): (&ProviderSnapshot, Contradicted),
    ) -> fault::Result<Outcome> {
        contradicted(&contradiction.provider, payment.id, "other_money");
        self.execute(&context, payment, PaymentCommand::RecordProviderState(snapshot.clone())).await?;
        Err(other_money(&contradiction))
    }
}

/// What a webhook says, once it is believed.
struct Report {
    event: ProviderEvent,
    payment_id: Option<PaymentId>,
    snapshot: ProviderSnapshot,
    /// The tenant that the webhook may speak about; nothing means any.
    tenant: Option<TenantId>,
    now: Timestamp,
}

async fn read_again(provider: &dyn PaymentProvider, reference: &str) -> fault::Result<ProviderSnapshot> {
    provider.fetch(reference).await.map_err(unavailable)
}

fn unavailable(error: ProviderError) -> Fault {
    Fault::unavailable("provider_unavailable", error)
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
