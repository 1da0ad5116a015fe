//! Answers: who may ask, which version, and what a repeated idempotency key gets.

use axum::Json;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::books::Books;
use super::form::Form;
use super::{SECRET_KEY, Stripe, error};

/// What an endpoint answers, and what is to be told.
pub struct Reply {
    pub status: u16,
    pub body: Value,
    pub news: Vec<(&'static str, Value)>,
}

impl Reply {
    /// It worked.
    pub fn ok(body: Value, news: Vec<(&'static str, Value)>) -> Self {
        Self { status: 200, body, news }
    }

    /// It makes no sense.
    pub fn invalid(code: &str, message: &str) -> Self {
        Self { status: 400, body: error("invalid_request_error", code, message), news: Vec::new() }
    }

    /// There is no such object.
    pub fn missing() -> Self {
        let body = error("invalid_request_error", "resource_missing", "No such object");
        Self { status: 404, body, news: Vec::new() }
    }
}

fn refused(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

/// The refusal of who has no key or no version.
fn turned_away(headers: &HeaderMap) -> Option<Response> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("authorization") != format!("Bearer {SECRET_KEY}") {
        let body = json!({"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}});
        return Some(refused(401, body));
    }
    if header("stripe-version").is_empty() {
        return Some(refused(400, error("invalid_request_error", "version_missing", "Name a version")));
    }
    None
}

/// Answers a question.
pub fn read(stripe: &Stripe, headers: &HeaderMap, work: impl FnOnce(&mut Books) -> Reply) -> Response {
    if let Some(response) = turned_away(headers) {
        return response;
    }
    let reply = work(&mut stripe.books.lock().unwrap());
    refused(reply.status, reply.body)
}

/// Does something once per idempotency key. The books are locked meanwhile, so that of parallel
/// requests with one key one does the work.
pub fn act(
    stripe: &Stripe,
    (path, headers): (&str, &HeaderMap),
    body: &Bytes,
    work: impl FnOnce(&mut Books, &Form) -> Reply,
) -> Response {
    if let Some(response) = turned_away(headers) {
        return response;
    }
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let asked = format!("{path} {}", String::from_utf8_lossy(body));
    let mut books = stripe.books.lock().unwrap();
    if let Some((before, status, answer)) = key.as_ref().and_then(|key| books.keys.get(key)) {
        if *before != asked {
            let message = "Keys for idempotent requests can only be used with the same parameters they were first used with.";
            return refused(400, json!({"error": {"type": "idempotency_error", "message": message}}));
        }
        let replayed = [("idempotent-replayed", "true")];
        return (StatusCode::from_u16(*status).unwrap(), replayed, Json(answer.clone())).into_response();
    }
    let reply = work(&mut books, &Form::read(body));
    if let Some(key) = key {
        books.keys.insert(key, (asked, reply.status, reply.body.clone()));
    }
    drop(books);
    stripe.tell(reply.news);
    refused(reply.status, reply.body)
}
