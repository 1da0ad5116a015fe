//! A gate in front of a provider: passes requests on, or does to the next ones what networks and
//! providers do: refuses, limits, loses the answer after the work was done, garbles it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// 503, and nothing was done.
    Down,
    /// 429 with `Retry-After`, and nothing was done.
    Limited(u32),
    /// It was done, and the answer is lost: 502.
    Lost,
    /// It was done, and the answer is not JSON.
    Garbled,
    /// It was done, and the answer stops in the middle.
    CutOff,
}

/// The gate.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    target: String,
    client: reqwest::Client,
    troubles: Mutex<VecDeque<Trouble>>,
    asked: Mutex<Vec<String>>,
}

impl Gate {
    /// A gate in front of the server at `target`, and the gate's own address.
    pub async fn before(target: &str) -> (Self, String) {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let inner =
            Inner { target: target.to_owned(), client, troubles: Mutex::default(), asked: Mutex::default() };
        let gate = Self(Arc::new(inner));
        let app = Router::new().fallback(pass).with_state(gate.clone());
        (gate, crate::serve(app).await)
    }

    /// The next requests meet these troubles, one each.
    pub fn then(&self, troubles: impl IntoIterator<Item = Trouble>) {
        self.0.troubles.lock().unwrap().extend(troubles);
    }

    /// Troubles that no request has met.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.troubles.lock().unwrap().len()
    }

    /// What was asked so far: verb and path.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.0.asked.lock().unwrap().clone()
    }

    async fn forward(&self, request: Request) -> Option<(StatusCode, axum::http::HeaderMap, Bytes)> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 22).await.ok()?;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers;
        headers.remove("host");
        let sent = self.0.client.request(parts.method, format!("{}{path}", self.0.target));
        let answer = sent.headers(headers).body(body).send().await.ok()?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        headers.remove("transfer-encoding");
        headers.remove("content-length");
        Some((status, headers, answer.bytes().await.ok()?))
    }
}

async fn pass(State(gate): State<Gate>, request: Request) -> Response {
    let acting = request.method() != Method::GET;
    let asked = format!("{} {}", request.method(), request.uri().path());
    gate.0.asked.lock().unwrap().push(asked);
    let trouble = gate.0.troubles.lock().unwrap().pop_front();
    match trouble {
        Some(Trouble::Down) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Trouble::Limited(seconds)) => {
            let headers = [("retry-after", seconds.to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, headers, "{}").into_response();
        }
        _ => {}
    }
    let Some((status, headers, body)) = gate.forward(request).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    match trouble {
        Some(Trouble::Lost) if acting => StatusCode::BAD_GATEWAY.into_response(),
        Some(Trouble::Lost) => StatusCode::GATEWAY_TIMEOUT.into_response(),
        Some(Trouble::Garbled) => (status, "<html>not what you expected</html>").into_response(),
        Some(Trouble::CutOff) => {
            let half = body.slice(..body.len() / 2);
            (status, headers, Body::from(half)).into_response()
        }
        _ => (status, headers, Body::from(body)).into_response(),
    }
}
