//! What the platform says to the outside: e-mail, outbound webhooks, notifications.
//!
//! 1. Everything that leaves is a row first. `mail` keeps the queue of mails: sister services put
//!    one in by `EnqueueMail`, any number of replicas take them out.
//! 2. A row is claimed with a lease, sent outside of any transaction, and ended by the claim that
//!    sent it. A crash between sending and ending sends again: delivery is at least once.
//! 3. `catalogue` names everything that can be told, with the variables each telling may use; the
//!    words are templates, rendered by `render`.
//! 4. `webhooks` delivers events to the tenants' endpoints, each on a lane of its own.
//! 5. `telling` says what events mean to people: a mail, a notification, or nothing, as the tenant
//!    (`wording`) and the person (`wishes`) want it.
//! 6. What may be secret (one-time links) is sealed at rest by `secrets`.

mod catalogue;
mod config;
mod events;
mod grpc;
mod mail;
mod metrics;
mod notifications;
mod outbound;
mod pauses;
mod people;
mod render;
mod retention;
mod secrets;
mod telling;
mod webhooks;
mod wishes;
mod wording;

use std::sync::Arc;

use bus::{EventOutbox, OnTenantPurged};
use eventstore::EventStore;
use kernel::Clock;
use runtime::audit::Trail;
use runtime::{Platform, Role, Service};
use sqlx::migrate::Migrator;

pub use config::{Config, MailConfig, WebhookConfig};
pub use outbound::publish;

use mail::{Mailer, Queue};
use notifications::Hub;
use people::People;
use secrets::Secrets;
use telling::OnEvent;
use webhooks::{Dispatcher, Endpoints, FanOut, Guard, Sender};

/// The word after `vbwd.` in the proto package; also the schema and the role.
pub const NAME: &str = "notify";

/// The service: its rpcs and its roles.
///
/// # Errors
/// Settings that cannot work.
pub async fn service(platform: &Platform, config: Config) -> fault::Result<Service> {
    config.validate()?;
    let parts = Parts::new(platform, &config)?;
    let mailer = Mailer::new(parts.queue.clone(), platform.environment, &config.mail)?;
    let dispatcher = parts.dispatcher(&config)?;
    let trail = Trail::new(parts.store.clone(), Arc::clone(&platform.clock));
    let roles = vec![
        relay(&parts, platform),
        sender(mailer),
        mail_sweep(parts.queue.clone()),
        fan_out(&parts, platform),
        dispatch(dispatcher.clone()),
        webhook_sweep(dispatcher),
        on_event(&parts, platform, &config)?,
        on_tenant_purged(&parts, platform),
        notification_tail(&parts),
        notification_sweep(&parts, &config),
        trail.courier(platform),
    ];
    Ok(Service { name: NAME, routes: trail.around(grpc::routes(parts.rpcs(&config))), roles })
}

/// What the roles share.
struct Parts {
    store: EventStore,
    clock: Arc<dyn Clock>,
    secrets: Arc<Secrets>,
    queue: Queue,
    guard: Guard,
    hub: Hub,
}

impl Parts {
    fn new(platform: &Platform, config: &Config) -> fault::Result<Self> {
        let (store, clock) = (EventStore::new(platform.pool(NAME)?, NAME), Arc::clone(&platform.clock));
        let secrets = Arc::new(Secrets::derive(&platform.secret)?);
        let queue = Queue::new(store.clone(), Arc::clone(&clock), Arc::clone(&secrets), config.mail.clone());
        let guard = Guard::new(config.webhooks.allow_http, &config.webhooks.allowed_networks)?;
        Ok(Self { store, clock, secrets, queue, guard, hub: Hub::new() })
    }

    fn dispatcher(&self, config: &Config) -> fault::Result<Dispatcher> {
        let sender = Sender::new(self.guard.clone(), &config.webhooks)?;
        let (store, clock, secrets) =
            (self.store.clone(), Arc::clone(&self.clock), Arc::clone(&self.secrets));
        Ok(Dispatcher::new(store, clock, secrets, &config.webhooks, (sender, self.queue.clone())))
    }

    fn rpcs(&self, config: &Config) -> grpc::Rpcs {
        let endpoints = Endpoints {
            secrets: Arc::clone(&self.secrets),
            guard: self.guard.clone(),
            config: Arc::new(config.webhooks.clone()),
        };
        grpc::Rpcs {
            clock: Arc::clone(&self.clock),
            store: self.store.clone(),
            queue: self.queue.clone(),
            endpoints,
            secrets: Arc::clone(&self.secrets),
            hub: self.hub.clone(),
            product_name: config.mail.from_name.clone(),
        }
    }
}

/// The service's tables.
#[must_use]
pub fn migrations() -> Migrator {
    sqlx::migrate!("../../migrations/notify")
}

fn relay(parts: &Parts, platform: &Platform) -> Role {
    let (bus, store) = (platform.bus(), parts.store.clone());
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

fn fan_out(parts: &Parts, platform: &Platform) -> Role {
    let (bus, store, clock) = (platform.bus(), parts.store.clone(), Arc::clone(&parts.clock));
    Role::task("webhook-fan-out", move |drain| {
        let consumer = FanOut { clock: Arc::clone(&clock) };
        bus::run_consumer(bus.clone(), store.clone(), consumer, drain)
    })
}

fn dispatch(dispatcher: Dispatcher) -> Role {
    Role::task("webhook-dispatch", move |drain| dispatcher.clone().run(drain))
}

fn webhook_sweep(dispatcher: Dispatcher) -> Role {
    Role::task("webhook-sweep", move |drain| dispatcher.clone().sweep(drain))
}

fn on_event(parts: &Parts, platform: &Platform, config: &Config) -> fault::Result<Role> {
    let (bus, store, clock) = (platform.bus(), parts.store.clone(), Arc::clone(&parts.clock));
    let (people, mails) = (People::new(platform)?, parts.queue.clone());
    let consumer = OnEvent { clock, people, mails, product_name: config.mail.from_name.clone() };
    Ok(Role::task("on_event", move |drain| {
        bus::run_consumer(bus.clone(), store.clone(), consumer.clone(), drain)
    }))
}

fn on_tenant_purged(parts: &Parts, platform: &Platform) -> Role {
    let (bus, store) = (platform.bus(), parts.store.clone());
    let consumer = OnTenantPurged { name: "notify_on_tenant_purged", retention: retention::RETENTION };
    Role::task("on_tenant_purged", move |drain| {
        bus::run_consumer(bus.clone(), store.clone(), consumer, drain)
    })
}

fn notification_tail(parts: &Parts) -> Role {
    let (hub, store) = (parts.hub.clone(), parts.store.clone());
    Role::task("notification-tail", move |drain| hub.clone().tail(store.clone(), drain))
}

fn notification_sweep(parts: &Parts, config: &Config) -> Role {
    let (store, clock) = (parts.store.clone(), Arc::clone(&parts.clock));
    let kept = config.notifications_kept();
    Role::task("notification-sweep", move |drain| {
        notifications::sweep(store.clone(), Arc::clone(&clock), kept, drain)
    })
}
