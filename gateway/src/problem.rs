//! What the edge answers instead of a result: `application/problem+json` (RFC 9457).
//!
//! Everything comes from a [`Fault`]. A [`Refusal`] is a fault on its way to the client: it may
//! carry a status that only HTTP knows (405, 413, …) and headers (`Retry-After`). The cause of a
//! fault is logged here and never leaves the process.

use std::error::Error as _;

use bytes::Bytes;
use fault::{Code, Fault};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::answer::Answer;

/// A fault on its way to the client.
#[derive(Debug)]
pub struct Refusal {
    fault: Fault,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The result of a step of the edge.
pub type Result<T> = std::result::Result<T, Refusal>;

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let status =
            StatusCode::from_u16(fault.code().http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let refusal = Self { status, headers: Vec::new(), fault };
        match status {
            StatusCode::UNAUTHORIZED => refusal.with_challenge(),
            StatusCode::SERVICE_UNAVAILABLE => refusal.with_patience(Some(1)),
            StatusCode::TOO_MANY_REQUESTS => refusal.with_patience(None),
            _ => refusal,
        }
    }
}

impl Refusal {
    /// A refusal with a status that only HTTP knows.
    pub fn http(status: StatusCode, reason: &'static str, message: &'static str) -> Self {
        Self { fault: Fault::new(Code::InvalidInput, reason, message), status, headers: Vec::new() }
    }

    /// Adds a fact that the client may read.
    #[must_use]
    pub fn with_fact(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.fault = self.fault.with_fact(name, value);
        self
    }

    /// The same refusal with another status.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// How long to wait, where a fact of the fault says it, else as given.
    fn with_patience(self, otherwise: Option<u64>) -> Self {
        let told = self.fault.facts().find(|(name, _)| *name == "retry_after_seconds");
        let seconds = told.and_then(|(_, value)| value.parse().ok()).or(otherwise);
        match seconds {
            Some(seconds) => self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds)),
            None => self,
        }
    }

    /// RFC 6750: an absent token gets a bare challenge, a bad one is told so.
    fn with_challenge(self) -> Self {
        let challenge = match self.fault.reason() {
            "token_expired" | "token_invalid" | "token_foreign_tenant" => "Bearer error=\"invalid_token\"",
            _ => "Bearer",
        };
        self.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
    }

    /// The fault behind it.
    #[must_use]
    pub const fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The document, as the client gets it.
    #[must_use]
    pub fn into_answer(self, trace_id: &str) -> Answer {
        log_cause(&self.fault);
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 2);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        let document = document(&self.fault, self.status, trace_id);
        Answer::new(self.status, headers, Bytes::from(document.to_string()))
    }
}

/// The problem document of a fault.
fn document(fault: &Fault, status: StatusCode, trace_id: &str) -> Value {
    let errors: Vec<_> = fault
        .violations()
        .iter()
        .map(|wrong| json!({"pointer": wrong.pointer, "code": wrong.code}))
        .collect();
    let facts: Map<_, _> = fault.facts().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!({
        "type": format!("/problems/{}", fault.reason()),
        "title": title(fault.reason()),
        "status": status.as_u16(),
        "detail": fault.message(),
        "code": fault.reason(),
        "trace_id": trace_id,
        "errors": errors,
        "facts": facts,
    })
}

/// The reason as a person reads it: `bundle_unknown` is "Bundle unknown".
fn title(reason: &str) -> String {
    let mut words = reason.replace('_', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

fn log_cause(fault: &Fault) {
    let cause = || {
        let mut chain = String::new();
        let mut next = fault.source();
        while let Some(error) = next {
            chain.push_str(if chain.is_empty() { "" } else { ": " });
            chain.push_str(&error.to_string());
            next = error.source();
        }
        chain
    };
    match fault.code() {
        Code::Internal => tracing::error!(reason = fault.reason(), cause = cause(), "request failed"),
        Code::Unavailable | Code::Timeout => {
            tracing::warn!(reason = fault.reason(), cause = cause(), "request could not be answered");
        }
        _ if fault.source().is_some() => {
            tracing::debug!(reason = fault.reason(), cause = cause(), "request refused");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &Answer) -> Value {
        serde_json::from_slice(answer.body()).unwrap()
    }

    #[test]
    fn a_fault_becomes_a_problem_document() {
        let fault = Fault::invalid("/lines/0/quantity", "out_of_range", "A quantity is 1 to 1000000.")
            .with_fact("maximum", 1_000_000);
        let answer = Refusal::from(fault).into_answer("4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        let expected = json!({
            "type": "/problems/invalid_input", "title": "Invalid input", "status": 400,
            "detail": "A quantity is 1 to 1000000.", "code": "invalid_input",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "errors": [{"pointer": "/lines/0/quantity", "code": "out_of_range"}],
            "facts": {"maximum": "1000000"},
        });
        assert_eq!(read(&answer), expected);
    }

    #[test]
    fn the_cause_stays_home() {
        let answer = Refusal::from(Fault::internal("password=hunter2")).into_answer("t");
        assert!(!String::from_utf8_lossy(answer.body()).contains("hunter2"));
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn every_code_keeps_its_status() {
        for code in Code::ALL {
            let answer = Refusal::from(Fault::new(code, "because", "Because.")).into_answer("t");
            assert_eq!(answer.status().as_u16(), code.http_status());
        }
    }

    #[test]
    fn whoever_must_wait_is_told_how_long() {
        let waits = |fault: Fault| {
            let answer = Refusal::from(fault).into_answer("t");
            answer.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned())
        };
        let locked = Fault::new(Code::TooMany, "account_locked", "Locked.");
        assert_eq!(waits(locked.with_fact("retry_after_seconds", 60)).as_deref(), Some("60"));
        assert_eq!(waits(Fault::unavailable("x", "y")).as_deref(), Some("1"));
    }

    #[test]
    fn a_missing_token_and_a_bad_one_get_different_challenges() {
        let challenge = |reason: &'static str| {
            let fault = Fault::new(Code::Unauthenticated, reason, "No.");
            Refusal::from(fault).into_answer("t").headers()[header::WWW_AUTHENTICATE].clone()
        };
        assert_eq!(challenge("authentication_required"), "Bearer");
        assert_eq!(challenge("token_expired"), "Bearer error=\"invalid_token\"");
    }
}
