//! The admin port, for operators and probes; never reachable by customers.
//!
//! `GET /live` the process runs · `GET /ready` every latch is set (503 names the missing ones) ·
//! `GET /metrics` Prometheus · `GET|PUT /log-level` the log filter · `GET /tasks` running tasks and
//! how often each was started.

use std::net::SocketAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::telemetry::Telemetry;
use crate::{Drain, Platform, until_drained};

/// Where the admin port listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address and port.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 7481)) }
    }
}

#[derive(Clone)]
struct Shared {
    platform: Platform,
    telemetry: Telemetry,
}

/// Opens the admin port.
///
/// # Errors
/// `port_taken` when the address cannot be bound.
pub async fn bind(config: &Config) -> fault::Result<TcpListener> {
    TcpListener::bind(config.listen).await.map_err(|error| crate::port_taken(config.listen, error))
}

/// Serves the admin port until `drain`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    platform: Platform,
    telemetry: Telemetry,
    drain: Drain,
) -> fault::Result<()> {
    let router = Router::new()
        .route("/live", get(async || Json(json!({"status": "live"}))))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/log-level", get(log_level).put(set_log_level))
        .route("/tasks", get(tasks))
        .with_state(Shared { platform, telemetry });
    let server = axum::serve(listener, router).with_graceful_shutdown(drain.clone().cancelled_owned());
    until_drained(server, &drain).await
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    let missing = shared.platform.readiness.missing();
    if missing.is_empty() {
        return (StatusCode::OK, Json(json!({"status": "ready"})));
    }
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not ready", "missing": missing})))
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    ([("content-type", "text/plain; version=0.0.4")], shared.telemetry.render_metrics())
}

async fn log_level(State(shared): State<Shared>) -> String {
    shared.telemetry.log_filter()
}

async fn set_log_level(State(shared): State<Shared>, filter: String) -> (StatusCode, String) {
    match shared.telemetry.set_log_filter(filter.trim()) {
        Ok(()) => (StatusCode::OK, shared.telemetry.log_filter()),
        Err(fault) => (StatusCode::BAD_REQUEST, fault.message().to_owned()),
    }
}

async fn tasks(State(shared): State<Shared>) -> Json<Value> {
    Json(json!(shared.platform.tasks.running()))
}
