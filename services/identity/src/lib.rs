//! Tenants, users, sessions, roles, audit.
//!
//! 1. Sessions, counters and the audit trail are plain tables, not event streams: rules here look at
//!    a row, not at a history. What others need to know is written beside the change as a fact of
//!    [`events`] and published from there.
//! 2. The rules are pure and live in [`rules`]; [`Identity`] gathers what they need and writes what
//!    follows, one transaction per use case.
//! 3. Hashing passwords is the one expensive thing; [`hashing`] keeps it from starving the rest.
//! 4. Access tokens are signed here and verified elsewhere; [`signing`] keeps the keys.

mod app;
mod audit;
pub mod config;
pub mod events;
mod federation;
mod grpc;
mod hashing;
mod host_probe;
mod metrics;
mod outbound;
pub mod provision;
mod reactions;
mod rejection;
pub mod rules;
mod secrets;
mod signing;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use bus::EventOutbox;
use eventstore::EventStore;
use reactions::Correspondent;
use runtime::{Drain, Platform, Role, Service};
use sqlx::migrate::Migrator;

pub use app::Identity;
pub use audit::Verdict;
pub use config::Config;
pub use outbound::publish;
pub use provision::{DemoTenant, NewTenant, NewUser, Provisioner, seed_demo};

/// The word after `vbwd.` in the proto package; also the schema.
pub const NAME: &str = "identity";

const UPKEEP_EVERY: Duration = Duration::from_secs(60 * 60);
const LOOK_FOR_HOSTS_EVERY: Duration = Duration::from_secs(30);

/// The service: its rpcs and its roles.
///
/// # Errors
/// When the settings are out of range.
pub async fn service(platform: &Platform, config: Config) -> fault::Result<Service> {
    let identity = Arc::new(build(platform, config)?);
    let (bus, outbox) = (platform.bus(), identity.store.clone());
    let (rotating, sweeping) = (Arc::clone(&identity), Arc::clone(&identity));
    let looking = Arc::clone(&identity);
    let (writing, notify) = (Arc::clone(&identity), platform.peer(NAME, "notify").ok());
    let roles = vec![
        Role::task("relay", move |drain| {
            bus::run_relay(bus.clone(), EventOutbox::new(outbox.clone(), publish), drain)
        }),
        Role::task("on_post", move |drain| {
            let correspondent = Correspondent::new(Arc::clone(&writing), notify.clone());
            projection::run_reactor(writing.store.clone(), correspondent, drain)
        }),
        Role::task("signing-keys", move |drain| {
            let identity = Arc::clone(&rotating);
            hourly(drain, move || rotate(Arc::clone(&identity)))
        }),
        Role::task("sweep", move |drain| {
            let identity = Arc::clone(&sweeping);
            hourly(drain, move || sweep(Arc::clone(&identity)))
        }),
        Role::task("host-claims", move |drain| {
            let identity = Arc::clone(&looking);
            every(LOOK_FOR_HOSTS_EVERY, drain, move || look_for_hosts(Arc::clone(&identity)))
        }),
    ];
    Ok(Service { name: NAME, routes: grpc::routes(identity), roles })
}

/// The migrations of the schema `identity`.
#[must_use]
pub fn migrations() -> Migrator {
    sqlx::migrate!("../../migrations/identity")
}

/// The use cases, over the platform's database.
///
/// # Errors
/// When the settings are out of range.
pub fn build(platform: &Platform, config: Config) -> fault::Result<Identity> {
    let store = EventStore::new(platform.pool(NAME)?, NAME);
    Identity::new(store, Arc::clone(&platform.clock), &platform.secret, config)
}

async fn rotate(identity: Arc<Identity>) -> fault::Result<()> {
    identity.rotate_when_due().await
}

async fn sweep(identity: Arc<Identity>) -> fault::Result<()> {
    identity.sweep().await
}

async fn look_for_hosts(identity: Arc<Identity>) -> fault::Result<()> {
    identity.look_for_hosts().await
}

async fn hourly<F>(drain: Drain, work: impl Fn() -> F) -> fault::Result<()>
where
    F: Future<Output = fault::Result<()>>,
{
    every(UPKEEP_EVERY, drain, work).await
}

/// Runs `work` now and every `pause`. A failure ends it; the supervisor starts it again.
async fn every<F>(pause: Duration, drain: Drain, work: impl Fn() -> F) -> fault::Result<()>
where
    F: Future<Output = fault::Result<()>>,
{
    loop {
        work().await?;
        tokio::select! {
            () = drain.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}
