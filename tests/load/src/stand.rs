//! The test stand: private servers and the release build of `vbwd`, all services in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use auth::{AssertionKeys, Caller};
use ids::TenantId;
use secrecy::SecretString;
use serde_json::json;
use servers::{Nats, Postgres, PostgresOptions};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::connection::Connection;
use crate::figures::Figures;

/// What the fleet of a bench shares.
pub const SECRET: &str = "bench-fleet-0f4b8d2a6c9e1357f0a2b4c6d8e9";
const USERS: usize = 16;

/// A signed-in customer.
#[derive(Clone)]
pub struct User {
    pub email: String,
    pub password: String,
    pub token: String,
}

/// Everything that is running.
pub struct Stand {
    pub users: Vec<User>,
    /// A bundle to buy.
    pub bundle: String,
    postgres: Postgres,
    _nats: Nats,
    _folder: tempfile::TempDir,
    process: Child,
    environment: Vec<(String, String)>,
    gateway: SocketAddr,
    admin: SocketAddr,
    wallet: SocketAddr,
    tenant: TenantId,
}

impl Stand {
    /// Starts servers and fleet and signs customers in.
    pub async fn start(figures: &mut Figures) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        open_to_other_users(folder.path())?;
        let port = free()?.port();
        let postgres =
            Postgres::start(&PostgresOptions::durable(folder.path().join("postgres"), port, "bench"))?;
        let nats = Nats::ephemeral()?;
        let (gateway, admin, wallet) = (free()?, free()?, free()?);
        let environment = environment(&postgres, &nats, gateway, admin, wallet)?;
        for arguments in [&["migrate"][..], &["seed", "demo"]] {
            let status = vbwd(&environment).args(arguments).stdout(Stdio::null()).status()?;
            anyhow::ensure!(status.success(), "vbwd {arguments:?} failed");
        }
        let process = serve(&environment)?;
        wait_until_ready(admin, Instant::now(), "start.first_ready_s", figures).await?;
        let tenant: uuid::Uuid = sqlx::query_scalar("SELECT tenant_id FROM tenants WHERE slug = 'demo'")
            .fetch_one(&pool(&postgres, "identity"))
            .await?;
        let tenant = TenantId::from_uuid(tenant);
        let (users, bundle, folder) = (Vec::new(), String::new(), folder);
        let mut stand = Self {
            users,
            bundle,
            postgres,
            _nats: nats,
            _folder: folder,
            process,
            environment,
            gateway,
            admin,
            wallet,
            tenant,
        };
        stand.prepare().await?;
        Ok(stand)
    }

    async fn prepare(&mut self) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        for nth in 0..USERS {
            self.users.push(sign_up(&mut connection, nth).await?);
        }
        let bundles = connection.get_json("/api/v1/token-bundles", None).await?;
        let bundle = bundles["bundles"][0]["bundle_id"].as_str().context("a bundle")?;
        bundle.clone_into(&mut self.bundle);
        Ok(())
    }

    /// A connection to the edge.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.gateway).await
    }

    /// A gRPC channel to the wallet.
    pub async fn ledger_channel(&self) -> anyhow::Result<tonic::transport::Channel> {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", self.wallet))?;
        Ok(endpoint.tcp_nodelay(true).connect().await?)
    }

    /// An assertion that a service of the fleet is calling; good for a minute.
    #[allow(clippy::disallowed_methods, reason = "a bench runs in real time")]
    pub fn assertion(&self) -> anyhow::Result<String> {
        let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned()))?;
        let caller = Caller::service("bench", self.tenant);
        Ok(keys.sign("bench", &caller, jiff::Timestamp::now())?.to_string())
    }

    /// An assertion that a customer is calling through a service of the fleet; good for a minute.
    #[allow(clippy::disallowed_methods, reason = "a bench runs in real time")]
    pub fn assertion_of(&self, user: ids::UserId) -> anyhow::Result<String> {
        let keys = AssertionKeys::from_secret(&SecretString::from(SECRET.to_owned()))?;
        let caller = Caller { subject: auth::Subject::User(user), ..Caller::anonymous(self.tenant) };
        Ok(keys.sign("bench", &caller, jiff::Timestamp::now())?.to_string())
    }

    /// A pool that sees everything in one schema.
    pub fn superuser(&self, schema: &str) -> PgPool {
        pool(&self.postgres, schema)
    }

    /// Resident memory of `vbwd` now.
    pub fn memory(&self, figures: &mut Figures) -> anyhow::Result<()> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS")).context("VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        figures.add("memory.resident_after_load", kib / 1024.0, "MiB")
    }

    /// Stops `vbwd` and starts it again on the database that now exists.
    pub async fn restart(&mut self, figures: &mut Figures) -> anyhow::Result<()> {
        self.stop()?;
        let started = Instant::now();
        self.process = serve(&self.environment)?;
        wait_until_ready(self.admin, started, "start.ready_s", figures).await
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let stopping = Command::new("kill").arg(self.process.id().to_string()).status()?;
        anyhow::ensure!(stopping.success(), "the process is gone");
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn sign_up(connection: &mut Connection, nth: usize) -> anyhow::Result<User> {
    let email = format!("bench-{nth}@example.com");
    let password = "correct horse battery staple".to_owned();
    let body = json!({"email": email, "password": password, "display_name": "Bench"});
    connection.post("/api/v1/auth/register", None, None, &body).await?;
    let (status, answer) = connection
        .post("/api/v1/auth/login", None, None, &json!({"email": email, "password": password}))
        .await?;
    anyhow::ensure!(status.is_success(), "log-in: {status}");
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let token = answer["session"]["access_token"].as_str().context("a token")?.to_owned();
    Ok(User { email, password, token })
}

fn environment(
    postgres: &Postgres,
    nats: &Nats,
    gateway: SocketAddr,
    admin: SocketAddr,
    wallet: SocketAddr,
) -> anyhow::Result<Vec<(String, String)>> {
    let sandbox = free()?;
    let unlimited = ["READ", "WRITE", "LOGIN", "WEBHOOK"]
        .map(|class| (format!("VBWD_GATEWAY_RATES_{class}_PER_MINUTE"), "0".to_owned()));
    let pairs = [
        ("VBWD_ENVIRONMENT", "development".to_owned()),
        ("VBWD_DATABASE_URL", postgres.url()),
        ("VBWD_DATABASE_ROLE_PASSWORD", "bench".to_owned()),
        ("VBWD_NATS_URL", nats.url()),
        ("VBWD_FLEET_SECRET", SECRET.to_owned()),
        ("VBWD_GATEWAY_LISTEN", gateway.to_string()),
        ("VBWD_ADMIN_LISTEN", admin.to_string()),
        ("VBWD_SANDBOX_LISTEN", sandbox.to_string()),
        ("VBWD_SANDBOX_WEBHOOK_URL", format!("http://{gateway}/api/v1/webhooks/sandbox")),
        ("VBWD_PAYMENTS_PROVIDERS_SANDBOX_BASE_URL", format!("http://{sandbox}")),
        ("VBWD_SERVICES_WALLET_LISTEN", wallet.to_string()),
        ("VBWD_TELEMETRY_LOG_FILTER", "error".to_owned()),
        ("VBWD_IDENTITY_ACCESS_TOKEN_LIFE_SECONDS", "3600".to_owned()),
    ];
    let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
    // What the caller sets wins: benches are for trying settings out.
    let own =
        std::env::vars().filter(|(name, _)| name.starts_with("VBWD_") && !name.starts_with("VBWD_TEST_"));
    Ok(pairs.chain(unlimited).chain(own).collect())
}

/// A command of the release build.
pub fn vbwd(environment: &[(String, String)]) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().envs(environment.iter().cloned());
    command
}

fn serve(environment: &[(String, String)]) -> anyhow::Result<Child> {
    Ok(vbwd(environment).arg("serve").stdout(Stdio::null()).spawn()?)
}

/// PostgreSQL may run as another user than this process.
pub fn open_to_other_users(folder: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?)
}

/// The release build of `vbwd`: named by the caller, or beside this program.
fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("VBWD_TEST_BINARY") {
        return PathBuf::from(named);
    }
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("vbwd")));
    beside.unwrap_or_else(|| PathBuf::from("vbwd"))
}

async fn wait_until_ready(
    admin: SocketAddr,
    started: Instant,
    bench: &str,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    while started.elapsed() < Duration::from_secs(30) {
        if let Ok(mut connection) = Connection::open(admin).await
            && connection.get("/ready", None).await.is_ok_and(|status| status.is_success())
        {
            return figures.add(bench, started.elapsed().as_secs_f64(), "s");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    anyhow::bail!("not ready within 30 s")
}

/// A pool of the superuser on one schema.
pub fn pool(postgres: &Postgres, schema: &str) -> PgPool {
    let options: PgConnectOptions = postgres.url().parse().unwrap_or_default();
    PgPoolOptions::new().max_connections(2).connect_lazy_with(options.options([("search_path", schema)]))
}

/// A free place on loopback.
pub fn free() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
