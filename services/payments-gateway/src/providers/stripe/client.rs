//! Speaking to Stripe: form bodies out, JSON in, keys and version in headers, and every kind of no
//! sorted by what it means.
//!
//! A decline of a payment that was made answers 402 with the PaymentIntent inside the error: that is
//! an answer about the payment and is given as one.

use std::time::Duration;

use fault::Fault;
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::form::Form;
use super::{API_VERSION, Settings, declines};
use crate::provider::ProviderError;

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The HTTP side.
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    secret_key: SecretString,
}

impl Client {
    /// A client for an account.
    pub fn new(settings: &Settings) -> fault::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(settings.timeout)
            .pool_max_idle_per_host(64)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(Fault::internal)?;
        let base_url = format!("{}/v1", settings.base_url.trim_end_matches('/'));
        Ok(Self { http, base_url, secret_key: settings.secret_key.clone() })
    }

    /// Reads an object.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ProviderError> {
        self.ask(self.http.get(format!("{}/{path}", self.base_url)).query(query)).await
    }

    /// Asks for something under a key.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        key: &str,
        form: Form,
    ) -> Result<T, ProviderError> {
        let request = self.http.post(format!("{}/{path}", self.base_url));
        self.ask(request.header("idempotency-key", key).form(&form.0)).await
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ProviderError> {
        let request =
            request.bearer_auth(self.secret_key.expose_secret()).header("stripe-version", API_VERSION);
        let response = request.send().await.map_err(lost)?;
        let (status, retry_after) = (response.status(), retry_after(&response));
        let body = body(response).await?;
        let answer: Value = match serde_json::from_slice(&body) {
            Ok(answer) => answer,
            Err(error) if status.is_success() => return Err(ProviderError::Unknown(Box::new(error))),
            Err(_) => Value::Null,
        };
        if status.is_success() {
            return serde_json::from_value(answer).map_err(|error| ProviderError::Unknown(Box::new(error)));
        }
        refusal(status, retry_after, answer)
    }
}

/// An answer that says something we cannot take.
pub fn unreadable(what: &'static str) -> ProviderError {
    ProviderError::Unknown(what.into())
}

async fn body(mut response: Response) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| ProviderError::Unknown(Box::new(error)))? {
        if body.len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
            return Err(unreadable("the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A request that never left changed nothing; of any other the outcome is unknown.
fn lost(error: reqwest::Error) -> ProviderError {
    if error.is_connect() || error.is_builder() {
        return ProviderError::Transient(Box::new(error));
    }
    ProviderError::Unknown(Box::new(error))
}

fn retry_after(response: &Response) -> Option<Duration> {
    let header = response.headers().get("retry-after")?.to_str().ok()?;
    header.trim().parse().ok().map(Duration::from_secs)
}

/// A wrong key is ours to repair, not a fact about the payment.
fn refusal<T: DeserializeOwned>(
    status: StatusCode,
    retry_after: Option<Duration>,
    mut answer: Value,
) -> Result<T, ProviderError> {
    let error = answer["error"].take();
    let text = |field: &str| error[field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let code = text("decline_code").or_else(|| text("code")).or_else(|| text("type"));
    let code = code.unwrap_or_else(|| format!("http_{}", status.as_u16()));
    match status {
        StatusCode::TOO_MANY_REQUESTS => Err(ProviderError::Limited { retry_after }),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(ProviderError::Transient(format!("{status} {code}").into()))
        }
        StatusCode::PAYMENT_REQUIRED => {
            // The payment was made and declined: the error carries it.
            if let Ok(made) = serde_json::from_value(error["payment_intent"].clone()) {
                return Ok(made);
            }
            let decline = Some(declines::decline(&code));
            Err(ProviderError::Declined { code, decline })
        }
        // Somebody asks with the same key this moment: what becomes of it is not known yet.
        StatusCode::CONFLICT => Err(ProviderError::Unknown(format!("{status} {code}").into())),
        _ if status.is_client_error() => Err(ProviderError::Invalid { code }),
        _ => Err(ProviderError::Unknown(format!("{status} {code}").into())),
    }
}
