//! A double of Stripe: PaymentIntents, SetupIntents, customers, payment methods, refunds, disputes.
//!
//! It demands the secret key and a version, replays idempotency keys and refuses them with other
//! parameters, answers declines with 402 and the intent inside, and sends signed events. What a card
//! does follows from the test tokens of Stripe's documentation (`pm_card_visa`). The customer's part
//! (Stripe's form in the browser, the bank) is played by methods here.

mod api;
mod books;
mod cards;
mod events;
mod form;
mod reply;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Value, json};

use books::Books;
pub use events::sign;

/// The secret key that is admitted.
pub const SECRET_KEY: &str = "sk_test_double";
/// The key of the form in the browser.
pub const PUBLISHABLE_KEY: &str = "pk_test_double";
/// What events are signed with.
pub const WEBHOOK_SECRET: &str = "whsec_double";

/// The double.
#[derive(Clone)]
pub struct Stripe {
    books: Arc<Mutex<Books>>,
    webhook_url: String,
    client: reqwest::Client,
}

impl Stripe {
    /// A running double that sends its events to `webhook_url`, and its address.
    pub async fn start(webhook_url: &str) -> (Self, String) {
        let webhook_url = webhook_url.to_owned();
        let stripe = Self { books: Arc::default(), webhook_url, client: reqwest::Client::new() };
        let app = Router::new()
            .route("/v1/payment_intents", post(api::create_payment))
            .route("/v1/payment_intents/{id}", get(api::payment))
            .route("/v1/payment_intents/{id}/{verb}", post(api::change_payment))
            .route("/v1/setup_intents", post(api::create_setup))
            .route("/v1/setup_intents/{id}", get(api::setup))
            .route("/v1/setup_intents/{id}/{verb}", post(api::change_setup))
            .route("/v1/customers", post(api::create_customer))
            .route("/v1/refunds", post(api::create_refund).get(api::refunds))
            .route("/v1/disputes", get(api::disputes))
            .route("/v1/payment_methods/{id}/detach", post(api::detach))
            .with_state(stripe.clone());
        let address = crate::serve(app).await;
        (stripe, address)
    }

    /// The customer fills in the form for a payment or a set-up: confirms with this test token.
    pub fn customer_confirms(&self, reference: &str, card: &str) {
        let news = self.books.lock().unwrap().confirm(reference, card, false);
        self.tell(news.unwrap_or_default());
    }

    /// The customer comes back from the bank's page.
    pub fn bank_answers(&self, reference: &str, confirmed: bool) {
        let news = self.books.lock().unwrap().authenticated(reference, confirmed);
        self.tell(news);
    }

    /// A bank debit that was on its way has ended.
    pub fn debit_ends(&self, reference: &str, paid: bool) {
        let news = self.books.lock().unwrap().debit_ends(reference, paid);
        self.tell(news);
    }

    /// The customer's bank wants this much back; answers the dispute's name.
    pub fn dispute(&self, reference: &str, amount: i64) -> String {
        let (dispute, news) = self.books.lock().unwrap().dispute(reference, amount);
        self.tell(news);
        dispute
    }

    /// The dispute is decided: `won` or `lost`.
    pub fn close_dispute(&self, dispute: &str, status: &str) {
        let news = self.books.lock().unwrap().close_dispute(dispute, status);
        self.tell(news);
    }

    /// What is charged and reported from now on is wrong by this much, as no real provider should be.
    pub fn lie_about_the_amount(&self, reference: &str, amount: i64) {
        self.books.lock().unwrap().intent(reference)["amount"] = amount.into();
    }

    /// The intents that exist.
    #[must_use]
    pub fn intents(&self) -> Vec<Value> {
        self.books.lock().unwrap().intents.values().cloned().collect()
    }

    /// A signed event about an object, as Stripe would send it at `at`.
    #[must_use]
    pub fn event(id: &str, kind: &str, object: &Value, at: i64) -> (String, String) {
        let body = events::body(id, kind, object, at).to_string();
        let header = sign(WEBHOOK_SECRET, at, &body);
        (header, body)
    }

    fn tell(&self, news: Vec<(&'static str, Value)>) {
        for (kind, object) in news {
            let (url, client) = (self.webhook_url.clone(), self.client.clone());
            crate::spawn(async move { events::send(&client, &url, kind, &object).await });
        }
    }
}

/// An error body as Stripe writes it.
fn error(kind: &str, code: &str, message: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": message, "doc_url": "", "request_log_url": ""}})
}
