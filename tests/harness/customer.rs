//! A customer (or administrator) with an HTTP client and nothing else.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Fleet, eventually};

/// Somebody who talks to the edge.
#[derive(Clone)]
pub struct Customer {
    pub client: reqwest::Client,
    pub base: String,
    /// Access token, once signed in.
    pub token: Option<String>,
    /// Refresh token, once signed in.
    pub refresh_token: String,
    pub email: String,
}

/// An answer: status and JSON body.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The problem's code.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The body of a successful answer.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self.body
    }

    /// Asserts a refusal.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{}", self.body);
    }
}

impl Customer {
    /// Somebody who is not signed in.
    pub fn stranger(fleet: &Fleet) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            client,
            base: fleet.base.clone(),
            token: None,
            refresh_token: String::new(),
            email: String::new(),
        }
    }

    /// A new customer, registered and signed in.
    pub async fn new(fleet: &Fleet) -> Self {
        let email = format!("{}@example.com", uuid::Uuid::now_v7().simple());
        let stranger = Self::stranger(fleet);
        let password = "correct horse battery staple";
        let body = json!({"email": email, "password": password, "display_name": "Test"});
        stranger.post("/api/v1/auth/register", body).await.ok();
        stranger.signed_in(&email, password).await
    }

    /// The demo tenant's administrator.
    pub async fn admin(fleet: &Fleet) -> Self {
        Self::stranger(fleet).signed_in("admin@demo.example", "vbwd-demo-admin").await
    }

    /// This client, signed in.
    pub async fn signed_in(mut self, email: &str, password: &str) -> Self {
        let body = self.post("/api/v1/auth/login", json!({"email": email, "password": password})).await.ok();
        self.token = Some(body["session"]["access_token"].as_str().expect("a token").to_owned());
        self.refresh_token = body["session"]["refresh_token"].as_str().unwrap_or_default().to_owned();
        email.clone_into(&mut self.email);
        self
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    /// A POST under an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
    }

    /// A request to be finished by the caller.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("the edge answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a body");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    /// The id of the demo bundle with this many tokens, and its price in euro cents.
    pub async fn bundle(&self, tokens: &str) -> (String, i64) {
        let bundles = self.get("/api/v1/token-bundles").await.ok();
        let bundle = bundles["bundles"].as_array().unwrap().iter().find(|bundle| bundle["tokens"] == tokens);
        let bundle = bundle.unwrap_or_else(|| panic!("no bundle of {tokens} tokens in {bundles}"));
        let price = bundle["prices"].as_array().unwrap().iter().find(|price| price["currency"] == "EUR");
        let minor = price.expect("a price in euro")["minor"].as_str().unwrap().parse().unwrap();
        (bundle["bundle_id"].as_str().unwrap().to_owned(), minor)
    }

    /// Buys one bundle with a payment method.
    pub async fn check_out(&self, bundle: &str, method: &str) -> Answer {
        let key = uuid::Uuid::now_v7().to_string();
        self.post_once("/api/v1/checkout", &key, order(bundle, method)).await
    }

    /// Checks out under one key until it is answered, as a client does whose shop is being
    /// repaired; answers the invoice.
    pub async fn buy_patiently(&self, bundle: &str) -> String {
        let key = uuid::Uuid::now_v7().to_string();
        eventually("the checkout is answered", Duration::from_secs(40), || async {
            let answer = self.post_once("/api/v1/checkout", &key, order(bundle, "sandbox_card")).await;
            if answer.status == StatusCode::CREATED {
                return Some(invoice_id(&answer.body));
            }
            let expected = answer.status.is_server_error() || answer.code() == "idempotency_in_flight";
            assert!(expected, "{} {}", answer.status, answer.body);
            None
        })
        .await
    }

    /// Waits until the invoice has a status.
    pub async fn wait_for_invoice(&self, invoice: &str, status: &str) -> Value {
        eventually(&format!("invoice {status}"), Duration::from_secs(40), || async {
            let answer = self.get(&format!("/api/v1/invoices/{invoice}")).await;
            (answer.body["invoice"]["status"] == status).then(|| answer.body["invoice"].clone())
        })
        .await
    }

    /// Tokens in the wallet.
    pub async fn tokens(&self) -> i64 {
        sum_of_tokens(&self.get("/api/v1/wallet/balance").await.ok())
    }

    /// Waits until the wallet holds exactly this many tokens; a wallet that is being recovered
    /// answers that it cannot answer.
    pub async fn wait_for_tokens(&self, tokens: i64) {
        eventually(&format!("{tokens} tokens"), Duration::from_secs(40), || async {
            let answer = self.get("/api/v1/wallet/balance").await;
            assert!(answer.status.is_success() || answer.status == 503, "{} {}", answer.status, answer.body);
            (answer.status.is_success() && sum_of_tokens(&answer.body) == tokens).then_some(())
        })
        .await;
    }
}

fn sum_of_tokens(body: &Value) -> i64 {
    let balances = body["balances"].as_array().cloned().unwrap_or_default();
    let tokens = balances.iter().filter(|balance| balance["asset"] == "TOKEN");
    tokens.map(|balance| balance["posted"].as_str().unwrap().parse::<i64>().unwrap()).sum()
}

/// The body of a checkout of one bundle.
pub fn order(bundle: &str, method: &str) -> Value {
    json!({
        "lines": [{"kind": "token_bundle", "item_id": bundle, "quantity": "1"}],
        "currency": "EUR",
        "billing_country": "DE",
        "payment_method": method,
        "return_url": "https://shop.example/return",
    })
}

/// The id of the invoice in a checkout's answer.
pub fn invoice_id(body: &Value) -> String {
    body["invoice"]["invoice_id"].as_str().expect("an invoice").to_owned()
}
