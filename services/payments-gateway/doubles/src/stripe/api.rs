//! The endpoints: paths of Stripe to verbs of the books.

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::Stripe;
use super::form::Form;
use super::reply::{Reply, act, read};

type At = State<Stripe>;

pub async fn create_payment(State(stripe): At, headers: HeaderMap, body: Bytes) -> Response {
    act(&stripe, ("payment_intents", &headers), &body, |books, form| books.create_payment(form))
}

pub async fn payment(
    State(stripe): At,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let expands = query.unwrap_or_default().contains("expand");
    read(&stripe, &headers, |books| match books.intents.get(&id).cloned() {
        Some(intent) if expands => Reply::ok(books.expanded(intent), Vec::new()),
        Some(intent) => Reply::ok(intent, Vec::new()),
        None => Reply::missing(),
    })
}

pub async fn change_payment(
    State(stripe): At,
    Path((id, verb)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = format!("payment_intents/{id}/{verb}");
    act(&stripe, (&path, &headers), &body, |books, form| match verb.as_str() {
        _ if !books.intents.contains_key(&id) => Reply::missing(),
        "capture" => books.capture(&id, form),
        "cancel" => books.cancel(&id),
        _ => Reply::missing(),
    })
}

pub async fn create_setup(State(stripe): At, headers: HeaderMap, body: Bytes) -> Response {
    act(&stripe, ("setup_intents", &headers), &body, |books, form| books.create_setup(form))
}

pub async fn setup(State(stripe): At, Path(id): Path<String>, headers: HeaderMap) -> Response {
    read(&stripe, &headers, |books| match books.intents.get(&id).cloned() {
        Some(intent) => Reply::ok(books.expanded(intent), Vec::new()),
        None => Reply::missing(),
    })
}

pub async fn change_setup(State(_): At, Path((_, _)): Path<(String, String)>) -> Response {
    axum::response::IntoResponse::into_response(axum::http::StatusCode::NOT_FOUND)
}

pub async fn create_customer(State(stripe): At, headers: HeaderMap, body: Bytes) -> Response {
    act(&stripe, ("customers", &headers), &body, |books, form| {
        let customer = json!({"id": books.name("cus"), "object": "customer", "metadata": form.metadata()});
        Reply::ok(customer, Vec::new())
    })
}

pub async fn create_refund(State(stripe): At, headers: HeaderMap, body: Bytes) -> Response {
    act(&stripe, ("refunds", &headers), &body, |books, form| books.refund(form))
}

pub async fn refunds(State(stripe): At, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = Form::read(query.unwrap_or_default().as_bytes());
    read(&stripe, &headers, |books| Reply::ok(books.listed("refund", &query), Vec::new()))
}

pub async fn disputes(State(stripe): At, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = Form::read(query.unwrap_or_default().as_bytes());
    read(&stripe, &headers, |books| Reply::ok(books.listed("dispute", &query), Vec::new()))
}

pub async fn detach(State(stripe): At, Path(id): Path<String>, headers: HeaderMap, body: Bytes) -> Response {
    let path = format!("payment_methods/{id}/detach");
    act(&stripe, (&path, &headers), &body, |books, _| match books.methods.remove(&id) {
        Some(method) => Reply::ok(method, Vec::new()),
        None => Reply::missing(),
    })
}
