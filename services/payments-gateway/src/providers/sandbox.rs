//! The sandbox provider, as its merchant: JSON over HTTP out, Standard Webhooks in.
//!
//! What the service in `sandbox/` is to us is only its documented API, as with any provider. Where
//! nothing is configured the credentials follow from the fleet secret on both sides.

mod wire;

use std::time::Duration;

use fault::Fault;
use jiff::Timestamp;
use payments_gateway_domain::ProviderSnapshot;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::config::SandboxSettings;
use crate::provider::{
    Answer, Capabilities, Method, Order, PaymentProvider, ProviderError, ProviderEvent, RawWebhook,
    RefundOrder, WebhookRefusal,
};
use crate::standard_webhooks::WebhookKey;

/// Its code.
pub const CODE: &str = "sandbox";
/// Purpose of the derived API key; the sandbox derives the same.
const API_KEY_PURPOSE: &str = "payments.sandbox.api_key";
/// Purpose of the derived webhook secret; the sandbox derives the same.
const WEBHOOK_SECRET_PURPOSE: &str = "payments.sandbox.webhook_secret";

const METHODS: [(&str, &str); 8] = [
    ("sandbox_card", "Card (sandbox)"),
    ("sandbox_card_3ds", "Card with confirmation page (sandbox)"),
    ("sandbox_declined", "Card that is declined (sandbox)"),
    ("sandbox_pending", "Payment that is captured later (sandbox)"),
    ("sandbox_webhook_delayed", "Card whose webhook is late (sandbox)"),
    ("sandbox_webhook_duplicated", "Card whose webhook comes three times (sandbox)"),
    ("sandbox_webhook_reordered", "Card whose webhooks are out of order (sandbox)"),
    ("sandbox_by_amount", "Card whose last two digits decide (sandbox)"),
];

/// The adapter.
pub(crate) struct Sandbox {
    client: Client,
    payments_url: String,
    api_key: SecretString,
    webhook_key: WebhookKey,
    capabilities: Capabilities,
}

impl Sandbox {
    /// The adapter with these settings.
    pub(crate) fn new(settings: &SandboxSettings, fleet_secret: &SecretString) -> fault::Result<Self> {
        let api_key = if settings.api_key.is_empty() {
            SecretString::from(format!(
                "sk_{}",
                hex::encode(auth::derive_secret(fleet_secret, API_KEY_PURPOSE)?)
            ))
        } else {
            settings.api_key.expose().clone()
        };
        let webhook_key = if settings.webhook_secret.is_empty() {
            WebhookKey::from_bytes(auth::derive_secret(fleet_secret, WEBHOOK_SECRET_PURPOSE)?)
        } else {
            WebhookKey::from_text(settings.webhook_secret.expose().expose_secret())?
        };
        let client = Client::builder()
            .timeout(Duration::from_millis(settings.timeout_milliseconds.into()))
            .pool_max_idle_per_host(64)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(Fault::internal)?;
        let payments_url = format!("{}/v1/payments", settings.base_url.trim_end_matches('/'));
        Ok(Self { client, payments_url, api_key, webhook_key, capabilities: capabilities() })
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.payments_url)).bearer_auth(self.api_key.expose_secret())
    }
}

fn capabilities() -> Capabilities {
    let method = |(code, name)| Method { code, name, currencies: &[], countries: &[] };
    Capabilities {
        methods: METHODS.map(method).into(),
        voids: true,
        partial_refunds: true,
        signs_webhooks: true,
    }
}

impl PaymentProvider for Sandbox {
    fn code(&self) -> &'static str {
        CODE
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn create<'a>(&'a self, order: Order<'a>) -> Answer<'a> {
        let (key, terms) = (order.payment_id.to_string(), order.terms);
        let body = json!({
            "reference": key, "amount": terms.amount.minor(), "currency": terms.amount.currency(),
            "method": terms.method, "return_url": terms.return_url, "description": terms.description,
        });
        ask(self.post("").header("idempotency-key", key).json(&body))
    }

    fn capture<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        ask(self.post(&format!("/{reference}/capture")))
    }

    fn void<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        ask(self.post(&format!("/{reference}/void")))
    }

    fn refund<'a>(&'a self, order: RefundOrder<'a>) -> Answer<'a> {
        let (key, amount) = (order.refund_id.to_string(), order.amount);
        let body = json!({"reference": key, "amount": amount.minor(), "currency": amount.currency()});
        ask(self.post(&format!("/{}/refunds", order.reference)).header("idempotency-key", key).json(&body))
    }

    fn fetch<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        let url = format!("{}/{reference}", self.payments_url);
        ask(self.client.get(url).bearer_auth(self.api_key.expose_secret()))
    }

    fn parse_and_verify_webhook(
        &self,
        webhook: &RawWebhook,
        now: Timestamp,
    ) -> Result<ProviderEvent, WebhookRefusal> {
        let event_id = self.webhook_key.verify(webhook, now)?;
        let event: wire::Event =
            serde_json::from_slice(&webhook.body).map_err(|_| WebhookRefusal::Malformed("not an event"))?;
        Ok(ProviderEvent {
            event_id: event_id.to_owned(),
            kind: event.kind,
            payment_id: event.data.reference.parse().ok(),
            snapshot: event.data.snapshot().map_err(WebhookRefusal::Malformed)?,
            occurred_at: event.occurred_at,
        })
    }
}

fn ask<'a>(request: RequestBuilder) -> Answer<'a> {
    Box::pin(async move { read(request.send().await.map_err(lost)?).await })
}

async fn read(response: Response) -> Result<ProviderSnapshot, ProviderError> {
    let status = response.status();
    if !status.is_success() {
        return Err(refusal(status, response).await);
    }
    let payment: wire::Payment =
        response.json().await.map_err(|error| ProviderError::Unknown(Box::new(error)))?;
    payment.snapshot().map_err(|what| ProviderError::Unknown(what.into()))
}

/// A request that never left changed nothing; of any other the outcome is unknown.
fn lost(error: reqwest::Error) -> ProviderError {
    if error.is_connect() || error.is_builder() {
        return ProviderError::Transient(Box::new(error));
    }
    ProviderError::Unknown(Box::new(error))
}

/// A wrong key and a limit are ours to repair, not a fact about the payment.
async fn refusal(status: StatusCode, response: Response) -> ProviderError {
    let problem: wire::Problem = response.json().await.unwrap_or_default();
    let code = problem.error.code;
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            ProviderError::Transient(format!("{status} {code}").into())
        }
        StatusCode::PAYMENT_REQUIRED | StatusCode::CONFLICT => ProviderError::Declined { code },
        _ if status.is_client_error() => ProviderError::Invalid { code },
        _ => ProviderError::Unknown(format!("{status} {code}").into()),
    }
}
