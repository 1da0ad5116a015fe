//! What the platform says to the outside: e-mail, outbound webhooks, notifications.
//!
//! 1. Everything that leaves is a row first. `mail` keeps the queue of mails: sister services put
//!    one in by `EnqueueMail`, any number of replicas take them out.
//! 2. A row is claimed with a lease, sent outside of any transaction, and ended by the claim that
//!    sent it. A crash between sending and ending sends again: delivery is at least once.
//! 3. `catalogue` names everything that can be told, with the variables each telling may use; the
//!    words are templates, rendered by `render`.
//! 4. What may be secret (one-time links) is sealed at rest by `secrets`.

#[allow(dead_code, reason = "the administration of templates is being built on it")]
mod catalogue;
mod config;
mod events;
mod grpc;
mod mail;
mod metrics;
mod outbound;
mod pauses;
#[allow(dead_code, reason = "the administration of templates is being built on it")]
mod render;
mod secrets;

use std::sync::Arc;

use bus::EventOutbox;
use eventstore::EventStore;
use runtime::{Platform, Role, Service};
use sqlx::migrate::Migrator;

pub use config::{Config, MailConfig};
pub use outbound::publish;

use mail::{Mailer, Queue};
use secrets::Secrets;

/// The word after `vbwd.` in the proto package; also the schema and the role.
pub const NAME: &str = "notify";

/// The service: its rpcs and its roles.
///
/// # Errors
/// Settings that cannot work.
pub async fn service(platform: &Platform, config: Config) -> fault::Result<Service> {
    config.validate()?;
    let store = EventStore::new(platform.pool(NAME)?, NAME);
    let secrets = Arc::new(Secrets::derive(&platform.secret)?);
    let queue = Queue::new(store.clone(), Arc::clone(&platform.clock), secrets, config.mail.clone());
    let mailer = Mailer::new(queue.clone(), platform.environment, &config.mail)?;
    let roles = vec![relay(&store, platform), sender(mailer), mail_sweep(queue.clone())];
    Ok(Service { name: NAME, routes: grpc::routes(grpc::Rpcs::new(platform, queue)), roles })
}

/// The service's tables.
#[must_use]
pub fn migrations() -> Migrator {
    sqlx::migrate!("../../migrations/notify")
}

fn relay(store: &EventStore, platform: &Platform) -> Role {
    let (bus, store) = (platform.bus(), store.clone());
    Role::task("relay", move |drain| {
        bus::run_relay(bus.clone(), EventOutbox::new(store.clone(), outbound::publish), drain)
    })
}

fn sender(mailer: Mailer) -> Role {
    Role::task("mail-sender", move |drain| mailer.clone().run(drain))
}

fn mail_sweep(queue: Queue) -> Role {
    Role::task("mail-sweep", move |drain| queue.clone().sweep(drain))
}
