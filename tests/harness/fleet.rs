//! A running fleet with a demo tenant, its own database and its own broker.

use std::time::Duration;

use fleet::config::Config;
use fleet::roles::Role;
use runtime::Environment;
use runtime::config::Secret;
pub use testkit::free_address;
use testkit::{Nats, Postgres, TestDatabase};

use super::processes::Processes;

/// Secret of all test fleets; long enough, and worth nothing.
pub const SECRET: &str = "test-fleet-0f4b8d2a6c9e1357f0a2b4c6d8e9";

/// A fleet to test.
pub struct Fleet {
    /// Address of the HTTP edge, `http://127.0.0.1:…`.
    pub base: String,
    /// Address of the sandbox provider.
    pub provider: String,
    pub config: Config,
    pub nats: Nats,
    pub database: TestDatabase,
    pub processes: Option<Processes>,
    /// The database server, if it is this fleet's own.
    pub postgres: Option<Postgres>,
    running: Option<fleet::Running>,
}

impl Fleet {
    /// The whole fleet in this process.
    pub async fn in_process() -> Self {
        Self::in_process_with(|_| {}).await
    }

    /// The whole fleet in this process, with a configuration of its own.
    pub async fn in_process_with(change: impl FnOnce(&mut Config)) -> Self {
        let (nats, database) = servers().await;
        let mut config = config(&database, &nats);
        change(&mut config);
        seed(&config).await;
        let running =
            Box::pin(fleet::start::start(config.clone(), &Role::ALL)).await.expect("the fleet starts");
        Self::assemble(config, nats, database, None, Some(running)).await
    }

    /// The whole fleet in this process, on a database server that may be killed.
    pub async fn on_its_own_database() -> Self {
        let postgres = Postgres::ephemeral().expect("a private PostgreSQL");
        let database = testkit::databases_on(&postgres.url(), fleet::command::migrate::migrations()).await;
        let nats = testkit::nats();
        let config = config(&database, &nats);
        seed(&config).await;
        let running =
            Box::pin(fleet::start::start(config.clone(), &Role::ALL)).await.expect("the fleet starts");
        let mut fleet = Self::assemble(config, nats, database, None, Some(running)).await;
        fleet.postgres = Some(postgres);
        fleet
    }

    /// Every service in a process of its own, talking over TCP.
    pub async fn of_processes() -> Self {
        Self::of_processes_with(|_| {}).await
    }

    /// The same with a configuration of its own, as far as [`super::processes::variables`] passes it on.
    pub async fn of_processes_with(change: impl FnOnce(&mut Config)) -> Self {
        let (nats, database) = servers().await;
        let mut config = config(&database, &nats);
        change(&mut config);
        for endpoint in [
            &mut config.services.identity,
            &mut config.services.wallet,
            &mut config.services.invoicing,
            &mut config.services.subscription,
            &mut config.services.payments,
            &mut config.services.notify,
        ] {
            let address = free_address();
            endpoint.listen = Some(address);
            endpoint.address = format!("http://{address}");
        }
        seed(&config).await;
        let processes = Processes::start(&config).await;
        Self::assemble(config, nats, database, Some(processes), None).await
    }

    async fn assemble(
        config: Config,
        nats: Nats,
        database: TestDatabase,
        processes: Option<Processes>,
        running: Option<fleet::Running>,
    ) -> Self {
        let base = format!("http://{}", config.gateway.listen);
        let provider = format!("http://{}", config.sandbox.listen);
        let fleet = Self { base, provider, config, nats, database, processes, postgres: None, running };
        fleet.wait_until_served().await;
        fleet
    }

    /// Waits until the edge answers a request that needs identity and wallet.
    pub async fn wait_until_served(&self) {
        let client = reqwest::Client::new();
        super::eventually("the fleet answers", Duration::from_secs(30), || async {
            let answer = client.get(format!("{}/api/v1/token-bundles", self.base)).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// The processes of this fleet.
    pub fn processes(&mut self) -> &mut Processes {
        self.processes.as_mut().expect("a fleet of processes")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.platform.tasks.drain().cancel();
        }
    }
}

async fn servers() -> (Nats, TestDatabase) {
    (testkit::nats(), testkit::databases(fleet::command::migrate::migrations()).await)
}

/// Configuration of a test fleet: free ports, generous limits.
pub fn config(database: &TestDatabase, nats: &Nats) -> Config {
    let mut config =
        Config { environment: Environment::Test, database: database.config().clone(), ..Config::default() };
    config.fleet.secret = Secret::from(SECRET);
    config.nats.url = Secret::from(nats.url().as_str());
    config.admin.listen = free_address();
    config.gateway.listen = free_address();
    config.sandbox.listen = free_address().to_string();
    let rates = &mut config.gateway.rates;
    let strict = [&mut rates.login, &mut rates.registration, &mut rates.reset];
    for rate in [&mut rates.read, &mut rates.write, &mut rates.webhook].into_iter().chain(strict) {
        rate.per_minute = 0; // tests of limits set their own
    }
    "warn".clone_into(&mut config.telemetry.log_filter);
    super::processes::point_at_each_other(&mut config);
    config
}

async fn seed(config: &Config) {
    fleet::command::seed::run(config).await.expect("the demo tenant is seeded");
}
