//! The stand of the ledger bench: a private durable PostgreSQL, a private nats-server and the release
//! build serving the wallet alone, so that no other service takes processor time or memory.
//!
//! Publishing events is held back until it is asked for: bulk posts make one event for either side,
//! and what the broker does with millions of them would be measured instead of the ledger.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use ids::TenantId;
use servers::{Nats, Postgres, PostgresOptions};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection as _, Postgres as Database, Transaction};

use crate::connection;
use crate::grpc::Connection;
use crate::ledger::caller::Caller;
use crate::stand::{SECRET, free, open_to_other_users, pool, vbwd};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(1_200);
/// What the relay of the wallet takes to be the only one.
const RELAY_LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('wallet/relay', 0))";
const LAST: &str = "SELECT coalesce(sum(last), 0)::bigint FROM generate_series(0, 15) AS part, \
    LATERAL (SELECT sequence AS last FROM journal WHERE partition = part ORDER BY sequence DESC LIMIT 1) AS at";

/// Everything that is running.
pub struct Wallet {
    pub tenant: TenantId,
    pub postgres: Postgres,
    relay: Option<PgConnection>,
    process: Child,
    environment: Vec<(String, String)>,
    admin: SocketAddr,
    address: SocketAddr,
    pool: PgPool,
    _nats: Nats,
    _folder: tempfile::TempDir,
}

/// Where the journal ends, and up to where the history is queryable; in batches.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub last: i64,
    pub projected: i64,
}

impl Wallet {
    /// Starts servers and wallet; `settings` go beside those of the stand.
    pub async fn start(settings: &[(&str, String)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        open_to_other_users(folder.path())?;
        let data = folder.path().join("postgres");
        let postgres = Postgres::start(&PostgresOptions::durable(data, free()?.port(), "bench"))?;
        let nats = Nats::ephemeral()?;
        let (admin, address) = (free()?, free()?);
        let environment = environment(&postgres, &nats, admin, address, settings);
        let status = vbwd(&environment).arg("migrate").stdout(Stdio::null()).status()?;
        ensure!(status.success(), "vbwd migrate failed");
        let mut relay = PgConnection::connect(&postgres.url()).await?;
        let held: bool = sqlx::query_scalar(RELAY_LOCK).fetch_one(&mut relay).await?;
        ensure!(held, "somebody else publishes");
        let (process, pool) = (serve(&environment)?, pool(&postgres, "wallet"));
        let (tenant, relay) = (TenantId::new(), Some(relay));
        let mut wallet = Self {
            tenant,
            postgres,
            relay,
            process,
            environment,
            admin,
            address,
            pool,
            _nats: nats,
            _folder: folder,
        };
        wallet.wait_until_ready().await?;
        Ok(wallet)
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Ok(mut connection) = connection::Connection::open(self.admin).await
                && connection.get("/ready", None).await.is_ok_and(|status| status.is_success())
            {
                return Ok(());
            }
            ensure!(self.process.try_wait()?.is_none(), "vbwd has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("not ready")
    }

    /// A connection to the wallet.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address).await
    }

    /// Makes calls of one rpc of the ledger.
    pub fn caller(&self, rpc: &str) -> anyhow::Result<Caller> {
        Caller::new(self.address, self.tenant, rpc)
    }

    /// The superuser's pool on the wallet's schema.
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Process id of the wallet.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where journal and history stand.
    pub async fn progress(&self) -> anyhow::Result<Progress> {
        let last = sqlx::query_scalar(LAST).fetch_one(&self.pool).await?;
        let projected = "SELECT coalesce(sum(projected), 0)::bigint FROM ledger_progress";
        Ok(Progress { last, projected: sqlx::query_scalar(projected).fetch_one(&self.pool).await? })
    }

    /// Waits until the history is complete.
    pub async fn catch_up(&self) -> anyhow::Result<Duration> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let progress = self.progress().await?;
            if progress.projected >= progress.last {
                return Ok(started.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the history did not catch up")
    }

    /// Keeps the history from being written until the transaction ends.
    pub async fn hold_history(&self) -> anyhow::Result<Transaction<'static, Database>> {
        let mut hold = self.pool.begin().await?;
        sqlx::query("SELECT FROM ledger_progress FOR UPDATE").execute(&mut *hold).await?;
        Ok(hold)
    }

    /// Lets events be published, those of operations that come from now on.
    pub async fn publish_from_now(&mut self) -> anyhow::Result<()> {
        sqlx::query(
            "INSERT INTO ledger_published SELECT partition, projected FROM ledger_progress \
             ON CONFLICT (partition) DO UPDATE SET sequence = excluded.sequence",
        )
        .execute(&self.pool)
        .await?;
        if let Some(relay) = self.relay.take() {
            relay.close().await?;
        }
        Ok(())
    }

    /// Up to which batch events are published, all partitions together.
    pub async fn published(&self) -> anyhow::Result<i64> {
        let published = "SELECT coalesce(sum(sequence), 0)::bigint FROM ledger_published";
        Ok(sqlx::query_scalar(published).fetch_one(&self.pool).await?)
    }

    /// Kills the wallet the hard way.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again; does not wait for anything.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = serve(&self.environment)?;
        Ok(())
    }

    /// The value of a metric, the largest one when it has labels.
    pub async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = connection::Connection::open(self.admin).await?.get_text("/metrics").await?;
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok());
        values.reduce(f64::max).with_context(|| format!("no metric {name}"))
    }
}

impl Drop for Wallet {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(environment: &[(String, String)]) -> anyhow::Result<Child> {
    let mut command: Command = vbwd(environment);
    Ok(command.args(["serve", "wallet"]).stdout(Stdio::null()).spawn()?)
}

fn environment(
    postgres: &Postgres,
    nats: &Nats,
    admin: SocketAddr,
    address: SocketAddr,
    settings: &[(&str, String)],
) -> Vec<(String, String)> {
    let stand = [
        ("VBWD_ENVIRONMENT", "development".to_owned()),
        ("VBWD_DATABASE_URL", postgres.url()),
        ("VBWD_DATABASE_ROLE_PASSWORD", "bench".to_owned()),
        ("VBWD_NATS_URL", nats.url()),
        ("VBWD_FLEET_SECRET", SECRET.to_owned()),
        ("VBWD_ADMIN_LISTEN", admin.to_string()),
        ("VBWD_SERVICES_WALLET_LISTEN", address.to_string()),
        ("VBWD_TELEMETRY_LOG_FILTER", "error".to_owned()),
        // A replica with a name of its own takes its partitions back at once after a crash.
        ("VBWD_WALLET_OWNER", "bench".to_owned()),
    ];
    let stand = stand.into_iter().chain(settings.iter().cloned());
    let stand = stand.map(|(name, value)| (name.to_owned(), value));
    // What the caller sets wins: benches are for trying settings out.
    let own =
        std::env::vars().filter(|(name, _)| name.starts_with("VBWD_") && !name.starts_with("VBWD_TEST_"));
    stand.chain(own).collect()
}
