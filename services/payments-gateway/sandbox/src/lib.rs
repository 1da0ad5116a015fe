//! A payment provider that behaves like a real one, for development and tests.
//!
//! It is a program of its own that shares nothing with the fleet but a database server: an HTTP
//! API with a merchant key and idempotency keys, a hosted page for the customer, and signed
//! webhooks (Standard Webhooks) that come asynchronously, late, twice or out of order, and are
//! repeated until they are taken. Method codes choose the behaviour ([`behaviour`]). Its books are
//! in the schema `sandbox`; killing it loses nothing.
//!
//! It knows no other crate of payments: what both sides must agree on is HTTP.

mod api;
pub mod behaviour;
mod config;
mod credentials;
mod deliverer;
mod metrics;
mod page;
pub mod payment;
mod refusal;
mod rules;
mod sandbox;
mod store;
mod webhook;

use std::sync::Arc;

use fault::{Code, Fault};
use runtime::{Drain, Platform, Role, Service};

pub use api::router;
pub use config::{Config, Enabled};
pub use credentials::{API_KEY_PURPOSE, Credentials, WEBHOOK_SECRET_PURPOSE};
pub use deliverer::deliver;
pub use sandbox::Sandbox;

/// Name of the service, its schema and its role.
pub const NAME: &str = "sandbox";

/// The tables of the sandbox.
#[must_use]
pub fn migrations() -> sqlx::migrate::Migrator {
    sqlx::migrate!("../../../migrations/sandbox")
}

/// Builds the sandbox; its port is open when this returns. Where it must not run (production,
/// unless it is switched on) the service is empty and opens nothing.
///
/// # Errors
/// Invalid input for settings that do not fit or a port that is taken.
pub async fn service(platform: &Platform, config: Config) -> fault::Result<Service> {
    config.validate()?;
    if !config.runs_in(platform.environment) {
        return Err(Fault::new(
            Code::Forbidden,
            "sandbox_disabled",
            "The sandbox provider is not enabled here.",
        ));
    }
    let credentials = Credentials::new(&config, &platform.secret)?;
    let public_url = if config.public_url.is_empty() {
        format!("http://{}", config.listen)
    } else {
        config.public_url.clone()
    };
    let sandbox = Sandbox::new(platform.pool(NAME)?, Arc::clone(&platform.clock), credentials, &public_url);
    let listener = Arc::new(bind(&config.listen)?);
    let served = sandbox.clone();
    let serve = move |drain| serve(Arc::clone(&listener), served.clone(), drain);
    let deliver = move |drain| deliver(sandbox.clone(), config.clone(), drain);
    Ok(Service {
        name: NAME,
        routes: tonic::service::Routes::default(),
        roles: vec![Role::task("http", serve), Role::task("deliver", deliver)],
    })
}

/// The port is taken before any role runs, so that a taken one stops the start with a sentence.
fn bind(listen: &str) -> fault::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(listen).map_err(|error| {
        let message = format!("The sandbox cannot listen on {listen}: {error}.");
        Fault::new(Code::InvalidInput, "port_unavailable", message)
    })?;
    listener.set_nonblocking(true).map_err(Fault::internal)?;
    Ok(listener)
}

async fn serve(listener: Arc<std::net::TcpListener>, sandbox: Sandbox, drain: Drain) -> fault::Result<()> {
    let listener =
        listener.try_clone().and_then(tokio::net::TcpListener::from_std).map_err(Fault::internal)?;
    let server = axum::serve(listener, router(sandbox));
    runtime::until_drained(server.with_graceful_shutdown(drain.clone().cancelled_owned()), &drain).await
}
