//! Where a provider's webhooks arrive: kept as they came, answered 200.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;

/// A webhook as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// Keeps webhooks.
#[derive(Clone, Default)]
pub struct Sink(Arc<Mutex<Vec<Received>>>);

impl Sink {
    /// A sink and its address.
    pub async fn start() -> (Self, String) {
        let sink = Self::default();
        let app = Router::new().fallback(take).with_state(sink.clone());
        (sink, crate::serve(app).await)
    }

    /// What came so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for a webhook that `fits`.
    pub async fn wait_for(&self, fits: impl Fn(&Received) -> bool) -> Received {
        for _ in 0..400 {
            if let Some(found) = self.received().into_iter().find(|one| fits(one)) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no such webhook among {}", self.received().len());
    }
}

async fn take(State(sink): State<Sink>, headers: HeaderMap, body: Bytes) {
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    sink.0.lock().unwrap().push(Received { headers, body: body.to_vec() });
}
