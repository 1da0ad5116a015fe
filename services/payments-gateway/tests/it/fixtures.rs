//! A running payments service and a running sandbox that reach each other over HTTP.
//!
//! Webhooks go through a small relay that plays the gateway's part: it turns an HTTP request into
//! the rpc, as an anonymous caller at a tenant that has nothing to do with the payment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use auth::{AssertionKeys, Caller, Subject};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use contracts::vbwd::money::v1::Money;
use contracts::vbwd::payments::v1::payment_service_client::PaymentServiceClient;
use contracts::vbwd::payments::v1::webhook_service_client::WebhookServiceClient;
use contracts::vbwd::payments::v1::*;
use fault::Fault;
use ids::{InvoiceId, OperationId, PaymentId, TenantId, UserId};
use kernel::{Clock, SystemClock};
use payments_gateway::{Config, Reconciler};
use payments_gateway_sandbox as provider;
use runtime::{Channel, Directory, Drain, Environment, OPERATION_ID, Platform};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{Nats, TestDatabase};
use tonic::Request;

pub const SECRET: &str = "a fleet secret of more than thirty-two characters";

pub struct World {
    pub tenant: TenantId,
    pub user: UserId,
    pub platform: Platform,
    pub credentials: provider::Credentials,
    pub provider_url: String,
    pub client: reqwest::Client,
    pub database: TestDatabase,
    pub nats: Nats,
    gate: Arc<AtomicBool>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.platform.tasks.drain().cancel();
    }
}

/// Quick checks, so that the reconciler can be watched.
pub fn quick() -> Config {
    let reconciler = Reconciler {
        first_check_milliseconds: 200,
        poll_milliseconds: 50,
        pause_seconds_max: 1,
        ..Reconciler::default()
    };
    Config { reconciler, ..Config::default() }
}

/// Checks so rare that only webhooks bring news.
pub fn webhooks_only() -> Config {
    Config::default()
}

#[allow(clippy::disallowed_methods, reason = "a test has no supervisor")]
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

async fn bind() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

impl World {
    pub async fn start(mut config: Config) -> Self {
        let services =
            vec![("payments", payments_gateway::migrations()), ("sandbox", provider::migrations())];
        let database = testkit::databases(services).await;
        let nats = testkit::nats();
        let platform = platform(&database, &nats).await;
        let (listener, provider_url) = bind().await;
        let (hooks, hooks_url) = bind().await;
        if config.providers.sandbox.base_url == Config::default().providers.sandbox.base_url {
            config.providers.sandbox.base_url = provider_url.clone();
        }
        let credentials = start_provider(&platform, listener, &provider_url, &hooks_url);
        platform.install(payments_gateway::service(&platform, config).await.unwrap());
        let gate = Arc::new(AtomicBool::new(true));
        let edge = Edge { platform: platform.clone(), gate: Arc::clone(&gate) };
        let app = Router::new().route("/", axum::routing::post(forward)).with_state(edge);
        spawn(async move { axum::serve(hooks, app).await.unwrap() });
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let (tenant, user) = (TenantId::new(), UserId::new());
        Self { tenant, user, platform, credentials, provider_url, client, database, nats, gate }
    }

    /// Webhooks come through, or are lost on the way.
    pub fn let_webhooks_through(&self, open: bool) {
        self.gate.store(open, Ordering::SeqCst);
    }

    pub fn channel(&self) -> Channel {
        self.platform.peer("gateway", "payments").unwrap().channel()
    }

    pub fn payments(&self) -> PaymentServiceClient<Channel> {
        PaymentServiceClient::new(self.channel())
    }

    pub fn request<M>(&self, caller: &Caller, message: M) -> Request<M> {
        request(caller, message)
    }

    pub fn invoicing(&self) -> Caller {
        Caller::service("invoicing", self.tenant)
    }

    pub fn customer(&self) -> Caller {
        Caller { subject: Subject::User(self.user), ..Caller::anonymous(self.tenant) }
    }

    pub fn order(&self, method: &str) -> CreatePaymentRequest {
        CreatePaymentRequest {
            payment_id: PaymentId::new().to_string(),
            invoice_id: InvoiceId::new().to_string(),
            user_id: self.user.to_string(),
            amount: Some(Money { minor: 1999, currency: "EUR".to_owned() }),
            method: method.to_owned(),
            return_url: "https://shop.example/return".to_owned(),
            description: "Invoice 1".to_owned(),
            ..CreatePaymentRequest::default()
        }
    }

    pub async fn create(&self, order: CreatePaymentRequest) -> Result<Payment, Fault> {
        let answer = self.payments().create_payment(self.request(&self.invoicing(), order)).await;
        Ok(answer?.into_inner().payment.unwrap())
    }

    pub async fn pay(&self, method: &str) -> Payment {
        self.create(self.order(method)).await.unwrap()
    }

    pub async fn get(&self, payment_id: &str) -> Payment {
        let message = GetPaymentRequest { payment_id: payment_id.to_owned() };
        let answer = self.payments().get_payment(self.request(&self.customer(), message)).await;
        answer.unwrap().into_inner().payment.unwrap()
    }

    /// Waits until a payment is in this state.
    pub async fn wait_for(&self, payment_id: &str, status: PaymentStatus) -> Payment {
        for _ in 0..400 {
            let payment = self.get(payment_id).await;
            if payment.status() == status {
                return payment;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("{payment_id} is {:?}, not {status:?}", self.get(payment_id).await.status());
    }

    /// What the superuser sees: everything.
    pub fn superuser(&self) -> PgPool {
        self.database.superuser("payments")
    }

    /// Names of the events of a payment, in order.
    pub async fn history(&self, payment_id: &str) -> Vec<String> {
        let id: PaymentId = payment_id.parse().unwrap();
        let names: Vec<String> =
            sqlx::query_scalar("SELECT name FROM events WHERE stream_id = $1 ORDER BY revision")
                .bind(id.as_uuid())
                .fetch_all(&self.superuser())
                .await
                .unwrap();
        names.into_iter().map(|name| name.trim_start_matches("payment.").to_owned()).collect()
    }

    pub async fn inbox(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM webhook_inbox").fetch_one(&self.superuser()).await.unwrap()
    }

    /// Waits until so many webhooks were taken.
    pub async fn wait_for_inbox(&self, webhooks: i64) {
        for _ in 0..400 {
            if self.inbox().await >= webhooks {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("only {} of {webhooks} webhooks were taken", self.inbox().await);
    }

    /// Asks the provider's API as its merchant.
    pub async fn at_provider(&self, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/v1/payments{path}", self.provider_url);
        let request = match body {
            Some(body) => self.client.post(url).json(&body),
            None => self.client.get(url),
        };
        let key = self.credentials.api_key().expose_secret();
        request.bearer_auth(key).send().await.unwrap().json().await.unwrap()
    }

    /// The provider's payment behind ours.
    pub async fn provider_payment(&self, payment_id: &str) -> Value {
        let documents: Vec<Value> = sqlx::query_scalar("SELECT document FROM payments WHERE reference = $1")
            .bind(payment_id)
            .fetch_all(&self.database.superuser("sandbox"))
            .await
            .unwrap();
        assert_eq!(documents.len(), 1, "one payment at the provider");
        documents.into_iter().next().unwrap()
    }

    /// A webhook about the provider's payment, as the provider would sign it now.
    pub fn webhook(&self, event_id: &str, payment: &Value) -> ReceiveWebhookRequest {
        let now = SystemClock.wall();
        let body = json!({"id": event_id, "type": "payment.captured", "occurred_at": now, "data": payment});
        self.signed(event_id, now.as_second(), &body.to_string())
    }

    pub fn signed(&self, event_id: &str, timestamp: i64, body: &str) -> ReceiveWebhookRequest {
        let signature = self.credentials.sign(event_id, timestamp, body).unwrap();
        let headers = [
            ("webhook-id", event_id.to_owned()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signature),
        ];
        ReceiveWebhookRequest {
            provider: "sandbox".to_owned(),
            body: body.as_bytes().to_vec(),
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }

    pub async fn receive(&self, webhook: ReceiveWebhookRequest) -> Result<String, Fault> {
        receive(&self.platform, webhook).await
    }
}

pub async fn platform(database: &TestDatabase, nats: &Nats) -> Platform {
    let bus = bus::Bus::connect(&nats.url(), "").await.unwrap();
    let directory = Directory::new(["payments"], []).unwrap();
    let (clock, secret) = (Arc::new(SystemClock), SecretString::from(SECRET.to_owned()));
    Platform::new(Environment::Test, clock, secret, database.config().clone(), bus, directory, Drain::new())
        .unwrap()
}

fn start_provider(
    platform: &Platform,
    listener: tokio::net::TcpListener,
    url: &str,
    hooks_url: &str,
) -> provider::Credentials {
    let config = provider::Config {
        webhook_url: format!("{hooks_url}/"),
        webhook_retry_milliseconds: 50,
        webhook_retry_seconds_max: 1,
        ..provider::Config::default()
    };
    let credentials = provider::Credentials::new(&config, &platform.secret).unwrap();
    let pool = platform.pool("sandbox").unwrap();
    let sandbox = provider::Sandbox::new(pool, Arc::clone(&platform.clock), credentials.clone(), url);
    let app = provider::router(sandbox.clone());
    spawn(async move { axum::serve(listener, app).await.unwrap() });
    let drain = platform.tasks.drain().clone();
    spawn(async move { provider::deliver(sandbox, config, drain).await.unwrap() });
    credentials
}

#[derive(Clone)]
struct Edge {
    platform: Platform,
    gate: Arc<AtomicBool>,
}

async fn forward(State(edge): State<Edge>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !edge.gate.load(Ordering::SeqCst) {
        return StatusCode::BAD_GATEWAY;
    }
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    let message = ReceiveWebhookRequest { provider: "sandbox".to_owned(), body: body.to_vec(), headers };
    match receive(&edge.platform, message).await {
        Ok(_) => StatusCode::OK,
        Err(fault) => StatusCode::from_u16(fault.code().http_status()).unwrap(),
    }
}

pub async fn receive(platform: &Platform, webhook: ReceiveWebhookRequest) -> Result<String, Fault> {
    let channel = platform.peer("gateway", "payments").unwrap().channel();
    let anybody = Caller::anonymous(TenantId::new());
    let answer = WebhookServiceClient::new(channel).receive_webhook(request(&anybody, webhook)).await;
    Ok(answer?.into_inner().outcome)
}

pub fn request<M>(caller: &Caller, message: M) -> Request<M> {
    let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned())).unwrap();
    let assertion = keys.sign("gateway", caller, SystemClock.wall()).unwrap();
    let mut request = Request::new(message);
    request.metadata_mut().insert(auth::METADATA_KEY, assertion.parse().unwrap());
    request
}

/// The request under an operation id of its own.
pub fn as_operation<M>(mut request: Request<M>, operation: OperationId) -> Request<M> {
    request.metadata_mut().insert(OPERATION_ID, operation.to_string().parse().unwrap());
    request
}
