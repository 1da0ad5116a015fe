//! A database of a test's own.

use runtime::config::{Database, Secret};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};

/// Tests that make a database at the same time take turns: roles belong to the whole server.
const TURN_LOCK: i64 = 0x7465_7374;
const PASSWORD: &str = "test-role-password";

/// A migrated database; dropped with the value.
pub struct TestDatabase {
    name: String,
    server: String,
    config: Database,
}

/// A database with the schema and roles of one service.
pub async fn database(service: &'static str, migrations: Migrator) -> TestDatabase {
    databases(vec![(service, migrations)]).await
}

/// A database with the schemas and roles of several services.
pub async fn databases(services: Vec<(&'static str, Migrator)>) -> TestDatabase {
    databases_on(&crate::postgres_url(), services).await
}

/// The same on a server of the test's own, given by its address with a superuser's log-in.
pub async fn databases_on(server: &str, services: Vec<(&'static str, Migrator)>) -> TestDatabase {
    let server = server.to_owned();
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let mut turn = PgConnection::connect(&server).await.expect("the test server answers");
    sqlx::query("SELECT pg_advisory_lock($1)").bind(TURN_LOCK).execute(&mut turn).await.expect("a turn");
    execute(&mut turn, format!("CREATE DATABASE {name}")).await;
    let config = Database {
        url: Secret::from(address(&server, &name).as_str()),
        role_password: Secret::from(PASSWORD),
        connections_max: 20,
    };
    runtime::database::migrate(&config, services).await.expect("migrations run");
    turn.close().await.expect("the turn is given up");
    TestDatabase { name, server, config }
}

impl TestDatabase {
    /// How services reach it.
    #[must_use]
    pub const fn config(&self) -> &Database {
        &self.config
    }

    /// Address with the superuser's log-in.
    #[must_use]
    pub fn url(&self) -> String {
        address(&self.server, &self.name)
    }

    /// A pool in the role of `service`, as production has it.
    #[must_use]
    pub fn pool(&self, service: &'static str) -> PgPool {
        runtime::database::pool(&self.config, service).expect("a well-formed address")
    }

    /// A pool of the superuser in the schema of `service`: it sees everything, for assertions.
    #[must_use]
    pub fn superuser(&self, service: &str) -> PgPool {
        let options: PgConnectOptions = self.url().parse().expect("a well-formed address");
        PgPoolOptions::new().max_connections(4).connect_lazy_with(options.options([("search_path", service)]))
    }
}

impl Drop for TestDatabase {
    /// Drops the database from a thread of its own: a test's runtime may be ending.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.ok()?;
                connection.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.ok()
            })
        });
        // A server that is already gone has nothing left to drop.
        let _ = dropping.join();
    }
}

async fn execute(connection: &mut PgConnection, statement: String) {
    connection.execute(AssertSqlSafe(statement)).await.expect("the statement runs");
}

/// The server's address with another database.
fn address(server: &str, database: &str) -> String {
    let (head, query) = server.split_once('?').map_or((server, None), |(head, query)| (head, Some(query)));
    let (authority, _) = head.rsplit_once('/').expect("an address with a database");
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    format!("{authority}/{database}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_vanishes_does_not_keep_its_transaction_for_hours() {
        let database = database("wallet", Migrator::DEFAULT).await;
        for (setting, expected) in [
            ("idle_in_transaction_session_timeout", "1min"),
            ("tcp_keepalives_idle", "10"),
            ("search_path", "wallet"),
        ] {
            let statement = AssertSqlSafe(format!("SHOW {setting}"));
            let found: String =
                sqlx::query_scalar(statement).fetch_one(&database.pool("wallet")).await.unwrap();
            assert_eq!(found, expected, "{setting}");
        }
    }
}
