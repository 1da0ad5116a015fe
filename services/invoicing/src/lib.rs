//! Checkout and invoices.
//!
//! One flow for everything sold: `checkout` prices and holds the lines at their sellers, opens the
//! invoice and starts its payment; `consumers` hear from payments; `reactors` deliver what was
//! paid; the `sweep` looks after what nobody paid. The rules are in the crate `invoicing-domain`.
//! This file is the list of what the service is made of.

mod app;
mod book;
mod checkout;
mod collection;
mod config;
mod consumers;
mod grpc;
mod metrics;
mod opening;
mod outbound;
mod payments;
mod projections;
mod queries;
mod reactors;
mod retention;
mod sellers;
mod sweep;

use std::sync::Arc;

use bus::{EventOutbox, OnTenantPurged};
use contracts::vbwd::invoicing::v1::checkout_service_server::CheckoutServiceServer;
use contracts::vbwd::invoicing::v1::invoice_service_server::InvoiceServiceServer;
use runtime::{Platform, Role, Service};
use tonic::service::Routes;

pub use config::Config;
pub use outbound::publish;

use app::App;
use grpc::Rpcs;

/// The word after `vbwd.` in the proto package; also the schema and the role.
pub(crate) const NAME: &str = "invoicing";

/// The service: its rpcs and its roles.
///
/// # Errors
/// Settings that cannot work, or a seller the fleet does not know.
pub async fn service(platform: &Platform, config: Config) -> fault::Result<Service> {
    config.validate()?;
    let app = Arc::new(App::new(platform, config)?);
    let rpcs = Rpcs(Arc::clone(&app));
    let routes =
        Routes::new(CheckoutServiceServer::new(rpcs.clone())).add_service(InvoiceServiceServer::new(rpcs));
    let roles = vec![
        relay(&app, platform),
        on_payment(&app, platform),
        on_tenant_purged(&app, platform),
        aftermath(&app),
        sweep(&app),
    ];
    Ok(Service { name: NAME, routes, roles })
}

/// The service's tables.
#[must_use]
pub fn migrations() -> sqlx::migrate::Migrator {
    sqlx::migrate!("../../migrations/invoicing")
}

fn relay(app: &App, platform: &Platform) -> Role {
    let (bus, store) = (platform.bus(), app.store.clone());
    Role::task("relay", move |drain| {
        let outbox = EventOutbox::new(store.clone(), outbound::publish);
        bus::run_relay(bus.clone(), outbox, drain)
    })
}

fn on_payment(app: &App, platform: &Platform) -> Role {
    let (bus, store, consumer) = (platform.bus(), app.store.clone(), app.on_payment.clone());
    Role::task("on_payment", move |drain| {
        bus::run_consumer(bus.clone(), store.clone(), consumer.clone(), drain)
    })
}

fn on_tenant_purged(app: &App, platform: &Platform) -> Role {
    let (bus, store) = (platform.bus(), app.store.clone());
    let consumer = OnTenantPurged { name: "invoicing_on_tenant_purged", retention: retention::RETENTION };
    Role::task("on_tenant_purged", move |drain| {
        bus::run_consumer(bus.clone(), store.clone(), consumer, drain)
    })
}

fn aftermath(app: &App) -> Role {
    let (store, reactor) = (app.store.clone(), app.aftermath.clone());
    Role::task("aftermath", move |drain| projection::run_reactor(store.clone(), reactor.clone(), drain))
}

fn sweep(app: &App) -> Role {
    let sweep = app.sweep.clone();
    Role::task("sweep", move |drain| sweep.clone().run(drain))
}
