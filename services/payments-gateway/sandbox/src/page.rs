//! The hosted page of `sandbox_card_3ds`: what a bank would show, as plain HTML that works without
//! scripts. Whoever has the link is the customer, as with every hosted payment page.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use jiff::Timestamp;

use crate::payment::{Payment, Status};
use crate::refusal::Refusal;
use crate::rules::Change;
use crate::sandbox::Sandbox;

/// Nothing is loaded and nothing may frame it; the form may send the browser to the shop.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/pay/{id}", get(show))
        .route("/pay/{id}/approve", post(approve))
        .route("/pay/{id}/decline", post(decline))
}

async fn show(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let payment = sandbox.get(&id).await?;
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Html(page(&payment))).into_response())
}

async fn approve(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Result<Redirect, Refusal> {
    decided(&sandbox, &id, Payment::approve).await
}

async fn decline(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Result<Redirect, Refusal> {
    decided(&sandbox, &id, Payment::decline).await
}

async fn decided(
    sandbox: &Sandbox,
    id: &str,
    rule: fn(&mut Payment, Timestamp) -> Change,
) -> Result<Redirect, Refusal> {
    let payment = sandbox.change(id, None, rule).await?;
    let mut target = url::Url::parse(&payment.return_url)
        .map_err(|_| Refusal::conflict("return_url_invalid", "The payment has no page to return to."))?;
    target.query_pairs_mut().append_pair("payment_id", &payment.reference);
    Ok(Redirect::to(target.as_str()))
}

fn page(payment: &Payment) -> String {
    let (id, amount) = (escape(&payment.id), format!("{} {}", decimal(payment), escape(&payment.currency)));
    let description = escape(&payment.description);
    let body = if payment.status == Status::RequiresAction {
        format!(
            "<p>Confirm this payment.</p>\
             <form method=\"post\" action=\"/pay/{id}/approve\"><button>Approve</button></form>\
             <form method=\"post\" action=\"/pay/{id}/decline\"><button>Decline</button></form>"
        )
    } else {
        "<p>This payment has been decided. You can close this page.</p>".to_owned()
    };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Sandbox payment</title>\
         <style>body{{font:1rem/1.5 system-ui;max-width:28rem;margin:4rem auto;padding:0 1rem}}\
         form{{display:inline}}button{{font:inherit;padding:.5rem 1.5rem;margin-right:.5rem}}</style></head>\
         <body><main><h1>Sandbox bank</h1><p>{description}</p><p><strong>{amount}</strong></p>{body}\
         <p><small>No real money moves.</small></p></main></body></html>"
    )
}

/// The amount with the currency's decimal places, in integers.
fn decimal(payment: &Payment) -> String {
    let digits = payment.currency.parse::<money::Currency>().map_or(2, |currency| currency.exponent());
    if digits == 0 {
        return payment.amount.to_string();
    }
    let unit = 10_i64.pow(digits);
    let width = usize::try_from(digits).unwrap_or(2);
    format!("{}.{:0width$}", payment.amount / unit, payment.amount % unit)
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
