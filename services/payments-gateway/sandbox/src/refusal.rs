//! What the sandbox answers instead of doing it, and how that looks over HTTP.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal: HTTP status, stable code, sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Stable code.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}

impl Refusal {
    /// A refusal with this status and code.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// Part of the input is wrong.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// The state does not allow it.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(409, code, message)
    }

    /// There is no such payment.
    #[must_use]
    pub fn unknown() -> Self {
        Self::new(404, "payment_unknown", "There is no such payment.")
    }
}

impl From<fault::Fault> for Refusal {
    fn from(fault: fault::Fault) -> Self {
        tracing::error!(error = ?fault, "sandbox cannot answer");
        Self::new(fault.code().http_status(), "sandbox_trouble", "The sandbox has trouble; try again.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({"error": {"code": self.code, "message": self.message}}))).into_response()
    }
}
