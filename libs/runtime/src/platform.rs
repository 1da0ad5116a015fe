//! What a service is given to build itself.

use std::sync::Arc;

use auth::AssertionKeys;
use bus::Bus;
use fault::Fault;
use kernel::Clock;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tower::Layer as _;

use crate::channel::Directory;
use crate::config::Database;
use crate::guard::GuardLayer;
use crate::{Drain, Peer, Readiness, Service, Tasks, database};

/// Where the fleet runs; decides what is forbidden, never how something works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real money.
    #[default]
    Production,
    /// A developer's machine: demo data and the sandbox provider are allowed.
    Development,
    /// Automated tests.
    Test,
}

/// The parts that all services of a process share.
#[derive(Clone)]
pub struct Platform {
    /// Where the fleet runs.
    pub environment: Environment,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Signs and verifies assertions.
    pub keys: AssertionKeys,
    /// The secret all keys of the fleet are derived from.
    pub secret: SecretString,
    /// Tasks of the process.
    pub tasks: Tasks,
    /// Readiness of the process.
    pub readiness: Readiness,
    database: Database,
    bus: Bus,
    directory: Directory,
}

impl Platform {
    /// The platform of a process.
    ///
    /// # Errors
    /// When the fleet secret is too short.
    pub fn new(
        environment: Environment,
        clock: Arc<dyn Clock>,
        secret: SecretString,
        database: Database,
        bus: Bus,
        directory: Directory,
        drain: Drain,
    ) -> fault::Result<Self> {
        let keys = AssertionKeys::from_secret(&secret)?;
        let (tasks, readiness) = (Tasks::new(drain), Readiness::default());
        Ok(Self { environment, clock, keys, secret, tasks, readiness, database, bus, directory })
    }

    /// A pool of connections for `service`, logged in as its role, in its schema.
    ///
    /// # Errors
    /// When the database's address is malformed. Connections are made when they are needed.
    pub fn pool(&self, service: &'static str) -> fault::Result<PgPool> {
        database::pool(&self.database, service)
    }

    /// The connection to the broker.
    #[must_use]
    pub fn bus(&self) -> Bus {
        self.bus.clone()
    }

    /// The service `target`, as `me` calls it.
    ///
    /// # Errors
    /// `service_unknown` when the fleet does not know where it is.
    pub fn peer(&self, me: &'static str, target: &str) -> fault::Result<Peer> {
        let channel = self.directory.channel(target)?;
        Ok(Peer::new(me, channel, self.keys.clone(), Arc::clone(&self.clock)))
    }

    /// The guard in front of this process's rpcs.
    #[must_use]
    pub fn guard(&self) -> GuardLayer {
        GuardLayer::new(self.keys.clone(), Arc::clone(&self.clock))
    }

    /// Starts a built service in this process: its rpcs become reachable and its roles run.
    pub fn install(&self, service: Service) {
        let guarded = self.guard().layer(service.routes.prepare());
        self.directory.install(service.name, tower::util::BoxCloneSyncService::new(guarded));
        for role in service.roles {
            role.start(service.name, &self.tasks);
        }
        self.readiness.latch(service.name).set(true);
    }

    /// Refuses what only development and tests may do.
    ///
    /// # Errors
    /// `Forbidden` in production.
    pub fn development_only(&self, what: &str) -> fault::Result<()> {
        if self.environment != Environment::Production {
            return Ok(());
        }
        Err(Fault::new(fault::Code::Forbidden, "development_only", "Not in production.")
            .with_fact("what", what))
    }
}
