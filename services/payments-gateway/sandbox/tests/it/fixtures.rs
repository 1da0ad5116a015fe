//! A running sandbox and a merchant that takes its webhooks.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use kernel::SystemClock;
use payments_gateway_sandbox::{Config, Credentials, Sandbox, deliver, migrations, router};
use runtime::Drain;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use testkit::TestDatabase;

/// A webhook as the merchant got it.
#[derive(Debug, Clone)]
pub struct Received {
    pub id: String,
    pub timestamp: i64,
    pub signature: String,
    pub raw: String,
    pub body: Value,
}

/// A merchant: takes webhooks, after refusing as many as it was told to.
#[derive(Clone, Default)]
pub struct Merchant(Arc<Mutex<(Vec<Received>, usize)>>);

impl Merchant {
    pub fn received(&self) -> Vec<Received> {
        self.0.lock().unwrap().0.clone()
    }

    pub fn refuse_next(&self, webhooks: usize) {
        self.0.lock().unwrap().1 = webhooks;
    }

    pub async fn wait_for(&self, webhooks: usize) -> Vec<Received> {
        for _ in 0..400 {
            if self.received().len() >= webhooks {
                return self.received();
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!("only {} of {webhooks} webhooks came", self.received().len());
    }
}

async fn take(State(merchant): State<Merchant>, headers: HeaderMap, raw: String) -> StatusCode {
    let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    let received = Received {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp").parse().unwrap(),
        signature: header("webhook-signature"),
        body: serde_json::from_str(&raw).unwrap(),
        raw,
    };
    let mut state = merchant.0.lock().unwrap();
    if state.1 > 0 {
        state.1 -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    state.0.push(received);
    StatusCode::OK
}

/// A sandbox, its merchant and an HTTP client.
pub struct Fixture {
    pub merchant: Merchant,
    pub credentials: Credentials,
    pub client: reqwest::Client,
    pub base: String,
    config: Config,
    sandbox: Sandbox,
    drain: Drain,
    _database: TestDatabase,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.drain.cancel();
    }
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

#[allow(clippy::disallowed_methods, reason = "a test has no supervisor")]
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

impl Fixture {
    /// A running sandbox that sends its webhooks.
    pub async fn start() -> Self {
        let fixture = Self::start_without_sender().await;
        fixture.start_sender();
        fixture
    }

    /// A running sandbox whose webhooks stay where they are.
    pub async fn start_without_sender() -> Self {
        let database = testkit::database("sandbox", migrations()).await;
        let merchant = Merchant::default();
        let hooks = Router::new().route("/hooks", axum::routing::post(take)).with_state(merchant.clone());
        let webhook_url = format!("{}/hooks", serve(hooks).await);
        let config = Config { webhook_url, webhook_retry_milliseconds: 20, ..Config::default() };
        let secret = SecretString::from("a fleet secret of sufficient length");
        let credentials = Credentials::new(&config, &secret).unwrap();
        let pool = database.pool("sandbox");
        let sandbox = Sandbox::new(pool, Arc::new(SystemClock), credentials.clone(), "http://pay.example");
        let base = serve(router(sandbox.clone())).await;
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let drain = Drain::new();
        Self { merchant, credentials, client, base, config, sandbox, drain, _database: database }
    }

    pub fn start_sender(&self) {
        let (sandbox, config, drain) = (self.sandbox.clone(), self.config.clone(), self.drain.clone());
        spawn(async move { deliver(sandbox, config, drain).await.unwrap() });
    }

    pub fn post(&self, path: &str) -> reqwest::RequestBuilder {
        let key = self.credentials.api_key().expose_secret();
        self.client.post(format!("{}{path}", self.base)).bearer_auth(key)
    }

    /// Sends JSON and reads status and JSON back.
    pub async fn send(&self, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request = self.post(path).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub async fn pay(&self, method: &str) -> Value {
        let (status, payment) = self.send("/v1/payments", None, &payment(method)).await;
        assert_eq!(status, 201, "{payment}");
        payment
    }

    pub async fn get(&self, id: &str) -> Value {
        let key = self.credentials.api_key().expose_secret();
        let answer = self.client.get(format!("{}/v1/payments/{id}", self.base)).bearer_auth(key).send().await;
        answer.unwrap().json().await.unwrap()
    }
}

pub fn payment(method: &str) -> Value {
    json!({
        "reference": "0193-ours", "amount": 1999, "currency": "EUR", "method": method,
        "return_url": "https://shop.example/back?x=1", "description": "Tokens <1000>"
    })
}
