//! The rig of the sandbox.

use std::sync::Arc;

use kernel::SystemClock;
use payments_gateway::provider::{PaymentProvider, RawWebhook};
use payments_gateway::{SandboxSettings, sandbox_provider};
use payments_gateway_domain::Decline;
use payments_gateway_doubles::gate::Gate;
use payments_gateway_doubles::sink::Sink;
use payments_gateway_sandbox as double;
use runtime::Drain;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use testkit::TestDatabase;

use super::rig::{Rig, Way};
use crate::fixtures::SECRET;

pub struct SandboxRig {
    provider: Box<dyn PaymentProvider>,
    gate: Gate,
    sink: Sink,
    credentials: double::Credentials,
    base: String,
    drain: Drain,
    _database: TestDatabase,
}

impl Drop for SandboxRig {
    fn drop(&mut self) {
        self.drain.cancel();
    }
}

impl SandboxRig {
    async fn post(&self, path: &str, body: Value) {
        let key = self.credentials.api_key().expose_secret();
        let request = reqwest::Client::new().post(format!("{}/v1/payments/{path}", self.base));
        let answer = request.bearer_auth(key).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    }
}

impl Rig for SandboxRig {
    async fn start() -> Self {
        let (sink, webhook_url) = Sink::start().await;
        let database = testkit::database("sandbox", double::migrations()).await;
        let config = double::Config { webhook_url, ..double::Config::default() };
        let secret = SecretString::from(SECRET.to_owned());
        let credentials = double::Credentials::new(&config, &secret).unwrap();
        let pool = database.pool("sandbox");
        let books =
            double::Sandbox::new(pool, Arc::new(SystemClock), credentials.clone(), "http://pay.example");
        let base = payments_gateway_doubles::serve(double::router(books.clone())).await;
        let drain = Drain::new();
        let until = drain.clone();
        crate::fixtures::spawn(async move { double::deliver(books, config, until).await.unwrap() });
        let (gate, address) = Gate::before(&base).await;
        let settings = SandboxSettings { base_url: address, ..SandboxSettings::default() };
        let provider = sandbox_provider(&settings, &secret).unwrap();
        Self { provider, gate, sink, credentials, base, drain, _database: database }
    }

    fn provider(&self) -> &dyn PaymentProvider {
        &*self.provider
    }

    fn gate(&self) -> &Gate {
        &self.gate
    }

    fn sink(&self) -> &Sink {
        &self.sink
    }

    fn method(&self, way: Way) -> Option<&'static str> {
        Some(match way {
            Way::Instant => "sandbox_card",
            Way::Challenge => "sandbox_card_3ds",
            Way::Debit => "sandbox_bank_debit",
            Way::Declined(Decline::InsufficientFunds) => "sandbox_insufficient_funds",
            Way::Declined(Decline::StolenCard) => "sandbox_stolen_card",
            Way::Declined(_) => return None,
        })
    }

    /// The sandbox has no form: the method says it all.
    async fn customer_confirms(&self, _: &str, _: Way) {}

    async fn bank_answers(&self, reference: &str, confirmed: bool) {
        let verb = if confirmed { "approve" } else { "decline" };
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        client.post(format!("{}/pay/{reference}/{verb}", self.base)).send().await.unwrap();
    }

    async fn debit_ends(&self, reference: &str, paid: bool) {
        let verb = if paid { "settle" } else { "bounce" };
        self.post(&format!("{reference}/{verb}"), json!({})).await;
    }

    async fn disputes(&self, reference: &str, minor: i64) {
        self.post(&format!("{reference}/disputes"), json!({"amount": minor})).await;
    }

    async fn decides(&self, reference: &str, won: bool) {
        let outcome = if won { "won" } else { "lost" };
        self.post(&format!("{reference}/disputes"), json!({"outcome": outcome})).await;
    }

    fn sign(&self, body: &[u8], at: i64) -> RawWebhook {
        let text = std::str::from_utf8(body).unwrap();
        let signature = self.credentials.sign("evt_1", at, text).unwrap();
        let headers = [
            ("webhook-id", "evt_1".to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", signature),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).into();
        RawWebhook { headers, body: body.to_vec() }
    }
}

super::suite!(SandboxRig);
