//! Doubles of payment providers for tests. Each is a real HTTP server that speaks its provider's
//! paths, headers, idempotency, error bodies and signed webhooks, written from the provider's public
//! reference and from no code of ours: what both sides must agree on is HTTP.
//!
//! When you add a provider, its double is a module here and its rig a module of the conformance suite.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test's double must fail loudly")]

pub mod gate;
pub mod sink;
pub mod stripe;

/// Runs something beside the test.
#[allow(clippy::disallowed_methods, reason = "a test has no supervisor")]
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

/// Serves an application on a port of its own; answers its address.
pub async fn serve(app: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}
