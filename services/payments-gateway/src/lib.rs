//! Payments through providers.
//!
//! 1. The rules are in `payments-gateway-domain`; providers are behind the port [`provider`], and
//!    what they say is believed only as far as the rules allow.
//! 2. Nothing waits for a provider inside a transaction. A payment records what it wants, the
//!    provider is asked with a key that follows from the payment, its answer is recorded.
//! 3. Webhooks bring news quickly, the reconciler brings it surely; both apply the same whole
//!    snapshots, so order and repetition do not matter.
//! 4. What others need to know is published from the event table ([`publish`]).

mod account;
mod app;
mod config;
mod grpc;
mod health;
mod metrics;
mod outbound;
pub mod provider;
mod providers;
mod refusal;
mod retention;
mod rules;
mod seal;
mod standard_webhooks;
mod table;

use std::sync::Arc;

use bus::{EventOutbox, OnTenantPurged};
use eventstore::EventStore;
use runtime::audit::Trail;
use runtime::{Platform, Role, Service};
use sqlx::migrate::Migrator;

use seal::Seal;

pub use app::Payments;
pub use config::{Config, Enabled, ProviderSettings, Reconciler, SandboxSettings, StripeSettings};
pub use outbound::publish;
pub use providers::{Providers, sandbox_provider, stripe};

/// The word after `vbwd.` in the proto package; also the schema.
pub const NAME: &str = "payments";

/// The service: its rpcs and its roles.
///
/// # Errors
/// When a setting does not fit.
pub async fn service(platform: &Platform, config: Config) -> fault::Result<Service> {
    let providers = Providers::configured(platform, &config)?;
    service_with(platform, config, providers)
}

/// The service with these providers.
///
/// # Errors
/// When a setting does not fit.
pub fn service_with(platform: &Platform, config: Config, providers: Providers) -> fault::Result<Service> {
    let store = EventStore::new(platform.pool(NAME)?, NAME);
    let providers = providers.and_accounts(&store, &platform.secret, &config)?;
    let seal = Seal::derive(&platform.secret)?;
    let clock = Arc::clone(&platform.clock);
    let payments = Arc::new(Payments::new(store.clone(), clock, (providers, seal), config)?);
    let (bus, reconciling) = (platform.bus(), Arc::clone(&payments));
    let purging = on_tenant_purged(platform, store.clone());
    let trail = Trail::new(store.clone(), Arc::clone(&platform.clock));
    let roles = vec![
        Role::task("relay", move |drain| {
            bus::run_relay(bus.clone(), EventOutbox::new(store.clone(), publish), drain)
        }),
        Role::task("reconciler", move |drain| {
            let payments = Arc::clone(&reconciling);
            async move { payments.run_reconciler(drain).await }
        }),
        trail.courier(platform),
        purging,
    ];
    Ok(Service { name: NAME, routes: trail.around(grpc::routes(payments)), roles })
}

fn on_tenant_purged(platform: &Platform, store: EventStore) -> Role {
    let bus = platform.bus();
    let consumer = OnTenantPurged { name: "payments_on_tenant_purged", retention: retention::RETENTION };
    Role::task("on_tenant_purged", move |drain| {
        bus::run_consumer(bus.clone(), store.clone(), consumer, drain)
    })
}

/// The migrations of the schema `payments`.
#[must_use]
pub fn migrations() -> Migrator {
    sqlx::migrate!("../../migrations/payments")
}
