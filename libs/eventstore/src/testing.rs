//! A database with the roles and tables of one service, for tests of this floor and the next.
//! Tests of services use `testkit`, which runs the real migrations.
#![allow(clippy::expect_used, clippy::missing_panics_doc, reason = "a test without its database must fail")]

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};
use uuid::Uuid;

use crate::{EventStore, TEMPLATE};

/// Name of the service that tests play.
pub const SERVICE: &str = "proving";
const PASSWORD: &str = "proving";
/// Roles belong to the whole server: tests that make them take turns.
const TURN_LOCK: i64 = 0x7072_6f76;

/// A database of a test's own.
pub struct TestStore {
    /// The store in the role of the service.
    pub store: EventStore,
    /// A superuser's pool, which sees everything.
    pub superuser: PgPool,
    url: String,
}

impl TestStore {
    /// A database on `server` (a superuser's address), with the shared tables and `extra` SQL.
    pub async fn new(server: &str, extra: &str) -> Self {
        let mut turn = PgConnection::connect(server).await.expect("the test server answers");
        execute(&mut turn, format!("SELECT pg_advisory_lock({TURN_LOCK})")).await;
        let name = format!("proving_{}", Uuid::now_v7().simple());
        execute(&mut turn, format!("CREATE DATABASE {name}")).await;
        let url = on_database(server, &name);
        let mut owner = PgConnection::connect(&url).await.expect("the new database answers");
        execute(&mut owner, preparation()).await;
        execute(&mut owner, format!("{}; {extra}", TEMPLATE.replace("{{service}}", SERVICE))).await;
        owner.close().await.expect("closed");
        turn.close().await.expect("closed");
        let superuser = pool(&url, None, 5);
        Self { store: EventStore::new(pool(&url, Some(PASSWORD), 30), SERVICE), superuser, url }
    }

    /// A second store on the same database, as another replica has it.
    #[must_use]
    pub fn replica(&self) -> EventStore {
        EventStore::new(pool(&self.url, Some(PASSWORD), 30), SERVICE)
    }
}

fn pool(url: &str, password: Option<&str>, connections: u32) -> PgPool {
    let mut options: PgConnectOptions = url.parse().expect("a well-formed address");
    if let Some(password) = password {
        options = options.username(&format!("vbwd_{SERVICE}")).password(password);
    }
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(30))
        .test_before_acquire(false)
        .connect_lazy_with(options.options([("search_path", SERVICE)]))
}

async fn execute(connection: &mut PgConnection, statement: String) {
    connection.execute(AssertSqlSafe(statement)).await.expect("the statement runs");
}

fn preparation() -> String {
    let role = format!("vbwd_{SERVICE}");
    let create = |role: &str| {
        format!(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN \
             CREATE ROLE {role} NOINHERIT; END IF; END $$;"
        )
    };
    let (login, worker) = (create(&role), create(&format!("{role}_worker")));
    format!(
        "{worker} {login} ALTER ROLE {role} LOGIN PASSWORD '{PASSWORD}'; GRANT {role}_worker TO {role}; \
         CREATE SCHEMA {SERVICE}; GRANT USAGE ON SCHEMA {SERVICE} TO {role}, {role}_worker; \
         ALTER DEFAULT PRIVILEGES IN SCHEMA {SERVICE} \
           GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}, {role}_worker; \
         ALTER DEFAULT PRIVILEGES IN SCHEMA {SERVICE} \
           GRANT USAGE, SELECT ON SEQUENCES TO {role}, {role}_worker; \
         SET search_path = {SERVICE}"
    )
}

/// The server's address with another database.
fn on_database(server: &str, database: &str) -> String {
    let (head, query) = server.split_once('?').unwrap_or((server, ""));
    let (authority, _) = head.rsplit_once('/').expect("an address with a database");
    format!("{authority}/{database}?{query}")
}
