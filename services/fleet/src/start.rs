//! Puts a process together and starts it.
//!
//! Order: everything that can be refused without side effects first (configuration, ports), then
//! the services, the HTTP edge last, so that nothing is half-started and nobody is served by half a
//! fleet. The same function starts the whole fleet in one process, one role of it, and tests.

use std::sync::Arc;

use fault::Fault;
use kernel::{Clock, SystemClock};
use runtime::telemetry::{self, Telemetry};
use runtime::{Directory, Drain, OnError, Platform};
use tokio::net::TcpListener;

use crate::compose;
use crate::config::Config;
use crate::roles::Role;

/// A running process.
pub struct Running {
    /// Its platform: tasks, readiness, clock.
    pub platform: Platform,
    /// Its telemetry.
    pub telemetry: Telemetry,
    /// Where the HTTP edge answers, if it runs here.
    pub http: Option<std::net::SocketAddr>,
    /// Where the admin port answers.
    pub admin: std::net::SocketAddr,
}

/// Starts `roles` in this process.
///
/// # Errors
/// When a port is taken, the database or the broker does not answer, or a service cannot be built;
/// whatever had been started is then told to stop.
pub async fn start(config: Config, roles: &[Role]) -> fault::Result<Running> {
    config.validate()?;
    let telemetry = telemetry::start(&config.telemetry)?;
    let admin = runtime::admin::bind(&config.admin).await?;
    let http = edge_listener(&config, roles).await?;
    let platform = platform(&config, roles, Arc::new(SystemClock)).await?;
    let running = Running {
        admin: admin.local_addr().map_err(Fault::internal)?,
        http: http.as_ref().and_then(|listener| listener.local_addr().ok()),
        platform: platform.clone(),
        telemetry: telemetry.clone(),
    };
    for role in roles {
        platform.readiness.latch(role.name()).set(false); // ready means all of them
    }
    serve_admin(admin, &platform, telemetry);
    let built = Box::pin(compose::install(&config, roles, &platform, http)).await;
    if let Err(fault) = built {
        platform.tasks.drain().cancel();
        return Err(fault);
    }
    let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
    tracing::info!(roles = names.join(","), http = ?running.http, admin = %running.admin, "started");
    Ok(running)
}

/// The platform of a process that runs `roles`.
///
/// # Errors
/// When an address is malformed, a service is nowhere to be found, or the broker's address cannot
/// be used.
pub async fn platform(config: &Config, roles: &[Role], clock: Arc<dyn Clock>) -> fault::Result<Platform> {
    let local = roles.iter().filter(|role| role.answers_grpc()).map(|role| role.name());
    let remote = Role::ALL.into_iter().filter(|role| !roles.contains(role)).filter_map(|role| {
        let address = &config.services.of(role)?.address;
        (!address.is_empty()).then(|| (role.name().to_owned(), address.clone()))
    });
    Platform::new(
        config.environment,
        clock,
        config.fleet.secret.expose().clone(),
        config.database.clone(),
        compose::bus(config).await?,
        Directory::new(local, remote)?,
        Drain::new(),
    )
}

async fn edge_listener(config: &Config, roles: &[Role]) -> fault::Result<Option<TcpListener>> {
    if !roles.contains(&Role::Gateway) {
        return Ok(None);
    }
    gateway::bind(&config.gateway).await.map(Some)
}

fn serve_admin(listener: TcpListener, platform: &Platform, telemetry: Telemetry) {
    let shared = Arc::new(std::sync::Mutex::new(Some(listener)));
    let (platform, tasks) = (platform.clone(), platform.tasks.clone());
    tasks.supervise("admin", OnError::Stop, move |drain| {
        let (platform, telemetry) = (platform.clone(), telemetry.clone());
        let listener = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        async move {
            let listener = listener.ok_or_else(|| Fault::internal("the admin port was served before"))?;
            runtime::admin::serve(listener, platform, telemetry, drain).await
        }
    });
}
