//! The sandbox provider, as its merchant: JSON over HTTP out, Standard Webhooks in.
//!
//! What the service in `sandbox/` is to us is only its documented API, as with any provider. Where
//! nothing is configured the credentials follow from the fleet secret on both sides.

mod wire;

use std::time::Duration;

use fault::Fault;
use jiff::Timestamp;
use payments_gateway_domain::{CaptureMode, Instrument};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::config::SandboxSettings;
use crate::provider::{
    Answer, Capabilities, CaptureOrder, Method, NextAction, Order, PaymentProvider, ProviderError,
    ProviderEvent, RawWebhook, RefundOrder, SetupOrder, SetupSnapshot, WebhookRefusal,
};
use crate::standard_webhooks::WebhookKey;

/// Its code.
pub const CODE: &str = "sandbox";
/// Purpose of the derived API key; the sandbox derives the same.
const API_KEY_PURPOSE: &str = "payments.sandbox.api_key";
/// Purpose of the derived webhook secret; the sandbox derives the same.
const WEBHOOK_SECRET_PURPOSE: &str = "payments.sandbox.webhook_secret";

const METHODS: [(&str, &str, bool); 11] = [
    ("sandbox_card", "Card (sandbox)", true),
    ("sandbox_card_3ds", "Card with confirmation page (sandbox)", true),
    ("sandbox_declined", "Card that is declined (sandbox)", true),
    ("sandbox_pending", "Payment that is captured later (sandbox)", false),
    ("sandbox_webhook_delayed", "Card whose webhook is late (sandbox)", false),
    ("sandbox_webhook_duplicated", "Card whose webhook comes three times (sandbox)", false),
    ("sandbox_webhook_reordered", "Card whose webhooks are out of order (sandbox)", false),
    ("sandbox_by_amount", "Card whose last two digits decide (sandbox)", false),
    ("sandbox_bank_debit", "Bank debit that takes its time (sandbox)", true),
    ("sandbox_insufficient_funds", "Card without money (sandbox)", true),
    ("sandbox_stolen_card", "Stolen card (sandbox)", true),
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

    fn read(&self, reference: &str) -> RequestBuilder {
        let url = format!("{}/{reference}", self.payments_url);
        self.client.get(url).bearer_auth(self.api_key.expose_secret())
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.payments_url)).bearer_auth(self.api_key.expose_secret())
    }
}

fn capabilities() -> Capabilities {
    let method = |(code, name, saves)| Method { code, name, currencies: &[], countries: &[], saves };
    Capabilities {
        methods: METHODS.map(method).into(),
        voids: true,
        manual_capture: true,
        partial_captures: true,
        several_captures: true,
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
        let mut body = json!({
            "reference": key, "amount": terms.amount.minor(), "currency": terms.amount.currency(),
            "method": terms.method, "return_url": terms.return_url, "description": terms.description,
        });
        // Only what differs from a plain payment is said, so that the key of a plain one keeps its body.
        let wishes = [
            ("manual", terms.capture == CaptureMode::Manual),
            ("save", terms.save_method),
            ("off_session", terms.off_session),
        ];
        for (wish, _) in wishes.into_iter().filter(|(_, wished)| *wished) {
            body[wish] = true.into();
        }
        if let Some(instrument) = order.instrument {
            body["token"] = instrument.token.clone().into();
        }
        ask(self.post("").header("idempotency-key", key).json(&body))
    }

    fn capture<'a>(&'a self, order: CaptureOrder<'a>) -> Answer<'a> {
        let Ok((part, last)) = order.part() else {
            return Box::pin(async { Err(ProviderError::Invalid { code: "amount_invalid".to_owned() }) });
        };
        let body = json!({"amount": part.minor(), "keep_rest": !last});
        let path = format!("/{}/capture", order.reference);
        ask(self.post(&path).header("idempotency-key", order.key()).json(&body))
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
        ask(self.read(reference))
    }

    fn parse_and_verify_webhook(
        &self,
        webhook: &RawWebhook,
        now: Timestamp,
    ) -> Result<ProviderEvent, WebhookRefusal> {
        let event_id = self.webhook_key.verify(webhook, now)?;
        let event: wire::Event =
            serde_json::from_slice(&webhook.body).map_err(|_| WebhookRefusal::Malformed("not an event"))?;
        let (kind, occurred_at) = (event.kind, event.occurred_at);
        let news = event.data.news().map_err(WebhookRefusal::Malformed)?;
        Ok(ProviderEvent { event_id: event_id.to_owned(), kind, news, occurred_at })
    }

    fn next_action<'a>(&'a self, reference: &'a str) -> Answer<'a, NextAction> {
        let request = self.read(reference);
        Box::pin(async move { Ok(answered(request).await?.next_action()) })
    }

    fn set_up<'a>(&'a self, order: SetupOrder<'a>) -> Answer<'a, SetupSnapshot> {
        let key = order.setup_id.to_string();
        let body = json!({
            "reference": key, "amount": 0, "currency": "EUR", "method": order.method,
            "return_url": order.return_url, "purpose": "setup",
        });
        let request = self.post("").header("idempotency-key", key).json(&body);
        Box::pin(async move { answered(request).await?.setup().map_err(unreadable) })
    }

    fn fetch_setup<'a>(&'a self, reference: &'a str) -> Answer<'a, (SetupSnapshot, NextAction)> {
        let request = self.read(reference);
        Box::pin(async move {
            let payment = answered(request).await?;
            let action = payment.next_action();
            Ok((payment.setup().map_err(unreadable)?, action))
        })
    }

    fn forget<'a>(&'a self, instrument: &'a Instrument) -> Answer<'a, ()> {
        let url = self.payments_url.replace("/v1/payments", "/v1/methods");
        let request = self.client.delete(format!("{url}/{}", instrument.token));
        let request = request.bearer_auth(self.api_key.expose_secret());
        Box::pin(async move {
            let response = request.send().await.map_err(lost)?;
            match response.status() {
                status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
                status => Err(refusal(status, response).await),
            }
        })
    }
}

fn ask<'a>(request: RequestBuilder) -> Answer<'a> {
    Box::pin(async move { answered(request).await?.snapshot().map_err(unreadable) })
}

async fn answered(request: RequestBuilder) -> Result<wire::Payment, ProviderError> {
    let response = request.send().await.map_err(lost)?;
    let status = response.status();
    if !status.is_success() {
        return Err(refusal(status, response).await);
    }
    response.json().await.map_err(|error| ProviderError::Unknown(Box::new(error)))
}

fn unreadable(what: &'static str) -> ProviderError {
    ProviderError::Unknown(what.into())
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
    let retry_after = retry_after(&response);
    let problem: wire::Problem = response.json().await.unwrap_or_default();
    let code = problem.error.code;
    match status {
        StatusCode::TOO_MANY_REQUESTS => ProviderError::Limited { retry_after },
        StatusCode::UNAUTHORIZED | StatusCode::SERVICE_UNAVAILABLE => {
            ProviderError::Transient(format!("{status} {code}").into())
        }
        StatusCode::PAYMENT_REQUIRED | StatusCode::CONFLICT => {
            let decline = (status == StatusCode::PAYMENT_REQUIRED).then(|| wire::decline(&code));
            ProviderError::Declined { code, decline }
        }
        _ if status.is_client_error() => ProviderError::Invalid { code },
        _ => ProviderError::Unknown(format!("{status} {code}").into()),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let header = response.headers().get("retry-after")?.to_str().ok()?;
    header.trim().parse().ok().map(Duration::from_secs)
}
