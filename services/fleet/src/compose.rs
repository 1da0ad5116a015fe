//! Builds the services of a process and installs them.
//!
//! When you add a service, add an arm to [`service`]; everything else follows from [`Role`].

use std::sync::{Arc, Mutex, PoisonError};

use bus::Bus;
use fault::Fault;
use runtime::{OnError, Platform, Service, serve_grpc};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::roles::Role;

/// Connects to the broker, or goes on trying in the background.
///
/// # Errors
/// When the configured address is no address.
pub async fn bus(config: &Config) -> fault::Result<Bus> {
    Bus::connect(config.nats.url.expose().expose_secret(), "").await
}

/// Builds `roles` and starts them: first the services, then the edge.
///
/// # Errors
/// When a service cannot be built.
pub async fn install(
    config: &Config,
    roles: &[Role],
    platform: &Platform,
    http: Option<TcpListener>,
) -> fault::Result<()> {
    for role in Role::ALL.into_iter().filter(|role| roles.contains(role)) {
        if let Some(service) = Box::pin(service(config, role, platform)).await? {
            listen(config, role, platform, &service);
            platform.install(service);
        }
    }
    match http {
        Some(listener) => edge(config, platform, listener).await,
        None => Ok(()),
    }
}

async fn service(config: &Config, role: Role, platform: &Platform) -> fault::Result<Option<Service>> {
    let service = match role {
        Role::Identity => identity::service(platform, config.identity.clone()).await?,
        Role::Wallet => wallet::service(platform, wallet_config(config)).await?,
        Role::Invoicing => invoicing::service(platform, config.invoicing.clone()).await?,
        Role::Subscription => subscription::service(platform, config.subscription.clone()).await?,
        Role::Payments => payments_gateway::service(platform, config.payments.clone()).await?,
        Role::Notify => notify::service(platform, config.notify.clone()).await?,
        Role::Sandbox => payments_gateway_sandbox::service(platform, config.sandbox.clone()).await?,
        Role::Gateway => return Ok(None),
    };
    Ok(Some(service))
}

/// Other replicas reach the wallet where it listens, unless it says otherwise.
fn wallet_config(config: &Config) -> wallet::Config {
    let listen = config.services.wallet.listen;
    let concrete = listen.filter(|listen| !listen.ip().is_unspecified() && listen.port() != 0);
    let mut wallet = config.wallet.clone();
    if let Some(listen) = concrete.filter(|_| wallet.address.is_empty()) {
        wallet.address = format!("http://{listen}");
    }
    wallet
}

/// Opens the service's own port, if it has one.
fn listen(config: &Config, role: Role, platform: &Platform, service: &Service) {
    let Some(address) = config.services.of(role).and_then(|endpoint| endpoint.listen) else { return };
    let (name, routes, guard) = (service.name, service.routes.clone(), platform.guard());
    platform.tasks.supervise(format!("{name}.grpc"), OnError::Stop, move |drain| {
        serve_grpc(name, address, routes.clone(), guard.clone(), drain)
    });
}

async fn edge(config: &Config, platform: &Platform, listener: TcpListener) -> fault::Result<()> {
    let edge = gateway::edge(platform, config.gateway.clone()).await?;
    for role in edge.roles {
        role.start("gateway", &platform.tasks);
    }
    let (router, shared) = (edge.router, Arc::new(Mutex::new(Some(listener))));
    platform.tasks.supervise("gateway.http", OnError::Stop, move |drain| {
        let listener = shared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let router = router.clone();
        async move {
            let listener = listener.ok_or_else(|| Fault::internal("the edge was served before"))?;
            gateway::serve(listener, router, drain).await
        }
    });
    platform.readiness.latch("gateway").set(true);
    Ok(())
}
