//! The API of the sandbox: JSON over HTTP, a bearer key, idempotency keys.

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::page;
use crate::payment::{CreateCapture, CreateDispute, CreatePayment, CreateRefund, Payment};
use crate::refusal::Refusal;
use crate::sandbox::Sandbox;
use crate::store::Key;

type Answer = Result<Json<Payment>, Refusal>;

/// Header of a request that may be repeated.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Every route of the sandbox.
pub fn router(sandbox: Sandbox) -> Router {
    let api = Router::new()
        .route("/v1/payments", post(create))
        .route("/v1/payments/{id}", get(read))
        .route("/v1/payments/{id}/capture", post(capture))
        .route("/v1/payments/{id}/settle", post(settle))
        .route("/v1/payments/{id}/bounce", post(bounce))
        .route("/v1/payments/{id}/disputes", post(dispute))
        .route("/v1/methods/{token}", delete(forget))
        .route("/v1/payments/{id}/void", post(void))
        .route("/v1/payments/{id}/refunds", post(refund))
        .layer(from_fn_with_state(sandbox.clone(), admit));
    api.merge(page::routes()).route("/live", get(|| async { "ok" })).with_state(sandbox)
}

async fn admit(State(sandbox): State<Sandbox>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if sandbox.credentials().admits(header) {
        return next.run(request).await;
    }
    Refusal::new(401, "api_key_invalid", "The API key is missing or wrong.").into_response()
}

async fn create(
    State(sandbox): State<Sandbox>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Payment>), Refusal> {
    let key = key("create", &headers, &body)?;
    let payment = sandbox.create(read_body::<CreatePayment>(&body)?, key).await?;
    Ok((StatusCode::CREATED, Json(payment)))
}

async fn read(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Answer {
    sandbox.get(&id).await.map(Json)
}

async fn capture(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let wish = if body.is_empty() { CreateCapture::default() } else { read_body(&body)? };
    let key = key(&format!("capture {id}"), &headers, &body)?;
    sandbox.change(&id, key, |payment, now| payment.capture(&wish, now)).await.map(Json)
}

async fn settle(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Answer {
    sandbox.change(&id, None, Payment::settle).await.map(Json)
}

async fn bounce(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Answer {
    sandbox.change(&id, None, Payment::bounce).await.map(Json)
}

async fn dispute(State(sandbox): State<Sandbox>, Path(id): Path<String>, body: Bytes) -> Answer {
    let wish: CreateDispute = read_body(&body)?;
    let dispute = format!("dis_{}", ids::WebhookId::new().as_uuid().simple());
    sandbox.change(&id, None, |payment, now| payment.dispute(dispute, &wish, now)).await.map(Json)
}

async fn forget(State(sandbox): State<Sandbox>, Path(token): Path<String>) -> Result<StatusCode, Refusal> {
    sandbox.forget(&token).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn void(State(sandbox): State<Sandbox>, Path(id): Path<String>) -> Answer {
    sandbox.change(&id, None, Payment::void).await.map(Json)
}

async fn refund(
    State(sandbox): State<Sandbox>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Payment>), Refusal> {
    let key = key(&format!("refund {id}"), &headers, &body)?;
    let payment = sandbox.refund(&id, &read_body::<CreateRefund>(&body)?, key).await?;
    Ok((StatusCode::CREATED, Json(payment)))
}

fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::invalid("body_invalid", error.to_string()))
}

fn key(route: &str, headers: &HeaderMap, body: &[u8]) -> Result<Option<Key>, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=255).contains(&text.len()));
    let text =
        text.ok_or_else(|| Refusal::invalid("idempotency_key_invalid", "A key has 1 to 255 characters."))?;
    Ok(Some(Key { key: format!("{route} {text}"), body_hash: Sha256::digest(body).to_vec() }))
}
