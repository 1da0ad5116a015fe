//! Subscriptions.
//!
//! At present the catalogue: categories, plans, add-ons and their immutable versions
//! ([`catalogue`]). The rules are in the crate `subscription-domain`, those of running
//! subscriptions too. This file is the list of what the service is made of.

pub mod catalogue;
mod config;
mod grpc;
mod retention;
mod seed;

use std::sync::Arc;

use bus::OnTenantPurged;
use eventstore::EventStore;
use runtime::audit::Trail;
use runtime::{Platform, Role, Service};
use sqlx::migrate::Migrator;

use catalogue::Catalogue;

pub use config::Config;
pub use seed::seed_demo;

/// The word after `vbwd.` in the proto package; also the schema and the role.
pub const NAME: &str = "subscription";

/// The service: its rpcs and its roles.
///
/// # Errors
/// Settings that cannot work, or a database that the process does not know.
pub async fn service(platform: &Platform, config: Config) -> fault::Result<Service> {
    config.validate()?;
    let store = EventStore::new(platform.pool(NAME)?, NAME);
    let clock = Arc::clone(&platform.clock);
    let trail = Trail::new(store.clone(), Arc::clone(&clock));
    let roles = vec![on_tenant_purged(&store, platform), trail.courier(platform)];
    let catalogue = Catalogue::new(store, config.catalogue_fresh());
    let routes = trail.around(grpc::routes(grpc::Rpcs { catalogue, clock }));
    Ok(Service { name: NAME, routes, roles })
}

fn on_tenant_purged(store: &EventStore, platform: &Platform) -> Role {
    let (bus, store) = (platform.bus(), store.clone());
    let consumer = OnTenantPurged { name: "subscription_on_tenant_purged", retention: retention::RETENTION };
    Role::task("on_tenant_purged", move |drain| {
        bus::run_consumer(bus.clone(), store.clone(), consumer, drain)
    })
}

/// The service's tables.
#[must_use]
pub fn migrations() -> Migrator {
    sqlx::migrate!("../../migrations/subscription")
}
