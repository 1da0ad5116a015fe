//! The HTTP edge: REST to gRPC, tenants, limits, OpenAPI. No business rule.
//!
//! The route table is read from the proto options when the gateway is built ([`routes`],
//! [`plan`]); there is no handler per rpc. One request goes through [`gate`] (trace, load, panics,
//! headers) and [`call`] (tenant, caller, limits, [`transcode`], [`idempotency`], answer) and comes
//! back as JSON or as a [`problem`] document. Adding an rpc to `proto/` adds it here.

mod address;
mod answer;
mod authority;
mod bearer;
mod breaker;
mod call;
pub mod config;
mod cookies;
mod cors;
mod csrf;
mod front;
mod front_ends;
mod gate;
mod headers;
mod idempotency;
mod limits;
mod listener;
mod metrics;
pub mod openapi;
mod pages;
mod plan;
mod problem;
mod public_cache;
mod reply;
mod route_rules;
mod routes;
mod rules;
pub mod socket;
mod stream;
mod tenants;
mod transcode;
pub mod upload;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use runtime::{Drain, Platform, Role};
use tokio::net::TcpListener;

pub use config::Config;
pub use openapi::document as openapi_document;
pub use socket::Conversations;
pub use upload::Sinks;

/// The built edge: what answers, and what runs behind it.
pub struct Edge {
    /// Answers every request; to be served by [`serve`], which says where a request comes from.
    pub router: Router,
    /// Upkeep of idempotency keys and limits.
    pub roles: Vec<Role>,
}

/// Builds the edge of the fleet that `platform` knows.
///
/// # Errors
/// When the configuration is invalid or a route cannot work.
pub async fn edge(platform: &Platform, config: Config) -> fault::Result<Edge> {
    edge_with(platform, config, Conversations::new(), Sinks::new()).await
}

/// Builds the edge with conversations over WebSocket, and sinks for uploads.
///
/// # Errors
/// As [`edge`].
pub async fn edge_with(
    platform: &Platform,
    config: Config,
    conversations: Conversations,
    sinks: Sinks,
) -> fault::Result<Edge> {
    let secret = auth::derive_secret(&platform.secret, "vbwd idempotency digest v1")?;
    let (store, abandoned) =
        idempotency::Store::new(platform.pool(upstream::ME)?, &secret, &config.idempotency)?;
    let clock = Arc::clone(&platform.clock);
    let upstream = upstream::Upstream::new(platform);
    let drain = platform.tasks.drain().clone();
    let gate = Arc::new(gate::Gate::new(config, upstream, store.clone(), Arc::clone(&clock), drain)?);
    let (limits, authorities) = (Arc::clone(&gate.limits), gate.bearer.authorities());
    let (bus, rules_bus, rules) = (platform.bus(), platform.bus(), Arc::clone(&gate.rules));
    let (hearing, tenants_bus) = (Arc::clone(&gate), platform.bus());
    let roles = vec![
        idempotency::role(store, abandoned, clock),
        Role::task("tenants", move |drain| {
            let (gate, bus) = (Arc::clone(&hearing), tenants_bus.clone());
            async move { gate.tenants.listen(bus, drain).await }
        }),
        Role::task("authority", move |drain| Arc::clone(&authorities).listen(bus.clone(), drain)),
        Role::task("routing", move |drain| Arc::clone(&rules).keep(rules_bus.clone(), drain)),
        Role::task("limits", move |drain| sweep_limits(Arc::clone(&limits), drain)),
    ];
    let front = Arc::new(front::Front { gate, conversations, sinks });
    Ok(Edge { router: Router::new().fallback(front::handle).with_state(front), roles })
}

/// Opens the gateway's port.
///
/// # Errors
/// `port_taken` when the address cannot be bound.
pub async fn bind(config: &Config) -> fault::Result<TcpListener> {
    TcpListener::bind(config.listen).await.map_err(|error| runtime::port_taken(config.listen, error))
}

/// Serves the edge until `drain`; requests that are running then are finished, if they end soon.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router, drain: Drain) -> fault::Result<()> {
    let server = axum::serve(
        listener::Patient::new(listener),
        router.into_make_service_with_connect_info::<listener::Peer>(),
    );
    runtime::until_drained(server.with_graceful_shutdown(drain.clone().cancelled_owned()), &drain).await
}

/// The gateway's tables.
#[must_use]
pub fn migrations() -> sqlx::migrate::Migrator {
    sqlx::migrate!("../migrations/gateway")
}

async fn sweep_limits(limits: Arc<limits::Limits>, drain: Drain) -> fault::Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_secs(60));
    loop {
        tokio::select! {
            () = drain.cancelled() => return Ok(()),
            _ = ticks.tick() => limits.sweep(),
        }
    }
}
