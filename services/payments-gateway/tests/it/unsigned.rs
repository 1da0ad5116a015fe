//! A provider of another kind: its webhooks prove nothing, and sometimes it is wrong.

use std::sync::{Arc, Mutex};

use auth::{Caller, Subject};
use contracts::vbwd::money::v1::Money as MoneyProto;
use contracts::vbwd::payments::v1::payment_service_client::PaymentServiceClient;
use contracts::vbwd::payments::v1::*;
use fault::Fault;
use ids::{InvoiceId, PaymentId, TenantId, UserId};
use jiff::Timestamp;
use money::{Currency, Money};
use payments_gateway::provider::{
    Answer, Capabilities, CaptureOrder, Method, News, Order, PaymentProvider, ProviderError, ProviderEvent,
    RawWebhook, RefundOrder, WebhookRefusal,
};
use payments_gateway::{Config, Providers, service_with};
use payments_gateway_domain::{ProviderSnapshot, ProviderState};
use runtime::Platform;
use testkit::{Nats, TestDatabase};

use crate::fixtures;

/// What this provider answers to everything, and the sum it believes in.
#[derive(Clone)]
struct Hinting {
    truth: Arc<Mutex<(ProviderState, Money)>>,
    capabilities: Capabilities,
}

impl Hinting {
    fn new(state: ProviderState, minor: i64) -> Self {
        let method =
            Method { code: "hint", name: "Hint", currencies: &["EUR"], countries: &["DE"], saves: false };
        let capabilities = Capabilities {
            methods: vec![method],
            voids: false,
            manual_capture: false,
            partial_captures: false,
            several_captures: false,
            partial_refunds: false,
            signs_webhooks: false,
        };
        Self { truth: Arc::new(Mutex::new((state, Money::new(minor, Currency::EUR)))), capabilities }
    }

    fn becomes(&self, state: ProviderState) {
        self.truth.lock().unwrap().0 = state;
    }

    fn corrects(&self, minor: i64) {
        self.truth.lock().unwrap().1 = Money::new(minor, Currency::EUR);
    }

    fn answer(&self) -> Result<ProviderSnapshot, ProviderError> {
        let (state, amount) = self.truth.lock().unwrap().clone();
        Ok(ProviderSnapshot::new("hint-1".to_owned(), state, amount))
    }
}

impl PaymentProvider for Hinting {
    fn code(&self) -> &'static str {
        "hinting"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn create<'a>(&'a self, _: Order<'a>) -> Answer<'a> {
        Box::pin(async { self.answer() })
    }

    fn capture<'a>(&'a self, _: CaptureOrder<'a>) -> Answer<'a> {
        Box::pin(async { self.answer() })
    }

    fn void<'a>(&'a self, _: &'a str) -> Answer<'a> {
        Box::pin(async { Err(ProviderError::Invalid { code: "unsupported".to_owned() }) })
    }

    fn refund<'a>(&'a self, _: RefundOrder<'a>) -> Answer<'a> {
        Box::pin(async { self.answer() })
    }

    fn fetch<'a>(&'a self, _: &'a str) -> Answer<'a> {
        Box::pin(async { self.answer() })
    }

    /// The body is the id of the event; whatever it is about, it claims a capture.
    fn parse_and_verify_webhook(
        &self,
        webhook: &RawWebhook,
        now: Timestamp,
    ) -> Result<ProviderEvent, WebhookRefusal> {
        let mut snapshot = self.answer().map_err(|_| WebhookRefusal::Malformed("never"))?;
        snapshot.state = ProviderState::Captured;
        let event_id = String::from_utf8(webhook.body.clone()).unwrap();
        let news = News::Payment { payment_id: None, snapshot: Box::new(snapshot) };
        Ok(ProviderEvent { event_id, kind: "hint".to_owned(), news, occurred_at: now })
    }
}

struct Shop {
    platform: Platform,
    tenant: TenantId,
    user: UserId,
    database: TestDatabase,
    _nats: Nats,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.platform.tasks.drain().cancel();
    }
}

impl Shop {
    async fn with(provider: &Hinting) -> Self {
        let database = testkit::database("payments", payments_gateway::migrations()).await;
        let nats = testkit::nats();
        let platform = fixtures::platform(&database, &nats).await;
        let providers = Providers::default().with(provider.clone());
        platform.install(service_with(&platform, Config::default(), providers).unwrap());
        Self { platform, tenant: TenantId::new(), user: UserId::new(), database, _nats: nats }
    }

    fn payments(&self) -> PaymentServiceClient<runtime::Channel> {
        PaymentServiceClient::new(self.platform.peer("gateway", "payments").unwrap().channel())
    }

    async fn pay(&self, currency: &str) -> Result<Payment, Fault> {
        let order = CreatePaymentRequest {
            payment_id: PaymentId::derived(&["the one"]).to_string(),
            invoice_id: InvoiceId::new().to_string(),
            user_id: self.user.to_string(),
            amount: Some(MoneyProto { minor: 1000, currency: currency.to_owned() }),
            method: "hint".to_owned(),
            ..CreatePaymentRequest::default()
        };
        let invoicing = Caller::service("invoicing", self.tenant);
        let answer = self.payments().create_payment(fixtures::request(&invoicing, order)).await;
        Ok(answer?.into_inner().payment.unwrap())
    }

    async fn status(&self) -> PaymentStatus {
        let payment_id = PaymentId::derived(&["the one"]).to_string();
        let customer = Caller { subject: Subject::User(self.user), ..Caller::anonymous(self.tenant) };
        let request = fixtures::request(&customer, GetPaymentRequest { payment_id });
        self.payments().get_payment(request).await.unwrap().into_inner().payment.unwrap().status()
    }

    async fn hint(&self, event_id: &str) -> Result<String, Fault> {
        let body = event_id.as_bytes().to_vec();
        let webhook = ReceiveWebhookRequest { provider: "hinting".to_owned(), body, ..Default::default() };
        fixtures::receive(&self.platform, webhook).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsigned_webhook_is_only_a_hint_to_read_the_payment_again() {
    let provider = Hinting::new(ProviderState::Processing, 1000);
    let shop = Shop::with(&provider).await;
    assert_eq!(shop.pay("EUR").await.unwrap().status(), PaymentStatus::Processing);
    assert_eq!(shop.hint("evt-1").await.unwrap(), "accepted");
    assert_eq!(shop.status().await, PaymentStatus::Processing, "the webhook lied, the provider did not");
    provider.becomes(ProviderState::Captured);
    assert_eq!(shop.hint("evt-2").await.unwrap(), "accepted");
    assert_eq!(shop.status().await, PaymentStatus::Captured);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_took_another_amount_is_not_believed() {
    let provider = Hinting::new(ProviderState::Captured, 999);
    let shop = Shop::with(&provider).await;
    let payment = shop.pay("EUR").await.unwrap();
    assert_eq!(payment.status(), PaymentStatus::Contradicted, "an operator must look; nothing is booked");
    assert_eq!(payment.contradicted_by.unwrap().minor, 999);
    assert_eq!(payment.captured.unwrap().minor, 0);
    assert_eq!(shop.hint("evt-1").await.unwrap_err().reason(), "webhook_amount_mismatch");
    assert_eq!(shop.status().await, PaymentStatus::Contradicted);
    provider.corrects(1000);
    assert_eq!(shop.hint("evt-1").await.unwrap(), "accepted", "a right report ends it");
    assert_eq!(shop.status().await, PaymentStatus::Captured);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_is_offered_where_it_works() {
    let shop = Shop::with(&Hinting::new(ProviderState::Captured, 1000)).await;
    assert_eq!(shop.pay("USD").await.unwrap_err().violations()[0].code, "currency_unsupported");
    for (currency, country, offered) in [("EUR", "DE", 1), ("USD", "DE", 0), ("EUR", "FR", 0), ("", "", 1)] {
        let (currency, country) = (currency.to_owned(), country.to_owned());
        let nobody = Caller::anonymous(shop.tenant);
        let request =
            fixtures::request(&nobody, ListPaymentMethodsRequest { currency, country, ..Default::default() });
        let answer = shop.payments().list_payment_methods(request).await.unwrap();
        assert_eq!(answer.into_inner().methods.len(), offered);
    }
    assert!(!shop.database.url().is_empty());
}
