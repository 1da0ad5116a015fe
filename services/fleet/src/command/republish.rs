//! `vbwd events republish`: fills the broker's stream again from a service's own log.

use std::sync::Arc;

use bus::{EventOutbox, OutboxSource};
use eventstore::EventStore;
use fault::Fault;
use kernel::{Position, SystemClock};
use runtime::Platform;

use crate::config::Config;
use crate::roles::Role;

/// Publishes again what `service` has published after `from`; consumers know the events by their
/// ids and handle none twice.
///
/// # Errors
/// When the position is malformed, the role publishes nothing, or database or broker fail.
pub async fn run(config: &Config, service: Role, from: Option<&str>) -> fault::Result<()> {
    let platform = crate::start::platform(config, &[], Arc::new(SystemClock)).await?;
    let from = from.unwrap_or_default();
    let published = match service {
        Role::Wallet => {
            let mut outbox = wallet::outbox(&platform, &config.wallet)?;
            republish(&platform, &mut outbox, from).await?
        }
        Role::Identity => events(&platform, "identity", identity::publish, from).await?,
        Role::Invoicing => events(&platform, "invoicing", invoicing::publish, from).await?,
        Role::Payments => events(&platform, "payments", payments_gateway::publish, from).await?,
        Role::Notify => events(&platform, "notify", notify::publish, from).await?,
        Role::Subscription | Role::Sandbox | Role::Gateway => {
            return Err(Fault::invalid("/service", "publishes_nothing", "This role publishes no events."));
        }
    };
    println!("published {published} events of {service} again");
    Ok(())
}

async fn events(
    platform: &Platform,
    service: &'static str,
    mapper: fn(&kernel::StoredEvent) -> fault::Result<Vec<bus::Outbound>>,
    from: &str,
) -> fault::Result<u64> {
    if !from.is_empty() && from.parse::<Position>().is_err() {
        return Err(Fault::invalid("/from", "malformed", "This is no position."));
    }
    let store = EventStore::new(platform.pool(service)?, service);
    republish(platform, &mut EventOutbox::new(store, mapper), from).await
}

async fn republish(platform: &Platform, outbox: &mut impl OutboxSource, from: &str) -> fault::Result<u64> {
    bus::republish(&platform.bus(), outbox, from).await
}
