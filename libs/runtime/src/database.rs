//! One schema and one log-in role per service.
//!
//! `vbwd_<service>` logs in and sees one tenant at a time: row-level security applies to it. The
//! role `vbwd_<service>_worker` cannot log in; a transaction that must see all tenants (relay,
//! timers) takes it with `SET LOCAL ROLE`. The log-in role does not inherit from it, so forgetting
//! to ask means seeing nothing. Tables belong to the owner who migrates, which neither role is.

use std::time::Duration;

use fault::Fault;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool};

use crate::config::Database;

/// Key of the advisory lock under which one process at a time migrates.
const MIGRATION_LOCK: i64 = 0x7662_7764;

/// A process that vanishes from the network in the middle of a transaction must not keep its locks
/// and hold back the horizon of all readers for hours.
const WHEN_WE_VANISH: [(&str, &str); 4] = [
    ("idle_in_transaction_session_timeout", "60s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

/// A pool for `service`, logged in as its role, in its schema.
///
/// # Errors
/// When the configured address is malformed.
pub fn pool(database: &Database, service: &str) -> fault::Result<PgPool> {
    let options = address(database.url.expose())?
        .username(&format!("vbwd_{service}"))
        .password(role_password(database))
        .application_name(&format!("vbwd-{service}"))
        .options([("search_path", service)])
        .options(WHEN_WE_VANISH)
        .statement_cache_capacity(256);
    Ok(PgPoolOptions::new()
        .max_connections(database.connections_max)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(Duration::from_secs(300))
        .test_before_acquire(false)
        .connect_lazy_with(options))
}

/// Prepares roles and schemas and runs the migrations of `services`. Safe to repeat and to run on
/// several machines at once.
///
/// # Errors
/// When the database cannot be reached or a migration fails; the failed service's schema is then
/// as the last complete migration left it.
pub async fn migrate(database: &Database, services: Vec<(&'static str, Migrator)>) -> fault::Result<()> {
    let options = address(database.url.expose())?;
    let mut connection = PgConnection::connect_with(&options).await.map_err(unreachable)?;
    sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut connection)
        .await
        .map_err(Fault::internal)?;
    for (service, migrator) in services {
        prepare(&mut connection, service, role_password(database)).await?;
        run(&options, service, migrator).await?;
    }
    connection.close().await.map_err(Fault::internal)
}

async fn run(options: &PgConnectOptions, service: &str, mut migrator: Migrator) -> fault::Result<()> {
    let options = options.clone().options([("search_path", service)]);
    let mut connection = PgConnection::connect_with(&options).await.map_err(unreachable)?;
    migrator.dangerous_set_table_name(format!("{service}._sqlx_migrations"));
    migrator.set_locking(false); // the lock above covers roles and schemas too
    migrator.run(&mut connection).await.map_err(|error| {
        Fault::new(fault::Code::Internal, "migration_failed", "A migration failed.")
            .with_fact("service", service)
            .with_source(error)
    })?;
    if has_events(&mut connection, service).await? {
        eventstore::repair_epoch(&mut connection).await?;
    }
    connection.close().await.map_err(Fault::internal)
}

async fn has_events(connection: &mut PgConnection, service: &str) -> fault::Result<bool> {
    let table = format!("{service}.event_epoch");
    let query = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table);
    query.fetch_one(connection).await.map_err(Fault::internal)
}

/// Roles, schema and default privileges; every statement may be repeated.
async fn prepare(connection: &mut PgConnection, service: &str, password: &str) -> fault::Result<()> {
    let login = format!("vbwd_{service}");
    let worker = format!("{login}_worker");
    let password = password.replace('\'', "''");
    let create_role = |role: &str, attributes: &str| {
        // Another database of the same server may create the same role at the same moment.
        format!(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN \
             CREATE ROLE {role} {attributes}; END IF; \
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
    };
    let statements = [
        create_role(&worker, "NOLOGIN"),
        create_role(&login, "NOLOGIN NOINHERIT"),
        format!(
            "DO $$ BEGIN PERFORM pg_advisory_xact_lock({MIGRATION_LOCK} + 1); \
             ALTER ROLE {login} LOGIN NOINHERIT PASSWORD '{password}'; GRANT {worker} TO {login}; END $$"
        ),
        format!("CREATE SCHEMA IF NOT EXISTS {service}"),
        format!("GRANT USAGE ON SCHEMA {service} TO {login}, {worker}"),
        format!(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA {service} \
             GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {login}, {worker}"
        ),
        format!(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA {service} \
             GRANT USAGE, SELECT ON SEQUENCES TO {login}, {worker}"
        ),
    ];
    for statement in statements {
        connection.execute(AssertSqlSafe(statement)).await.map_err(|error| {
            Fault::new(
                fault::Code::Internal,
                "database_preparation_failed",
                "Roles or schema could not be made.",
            )
            .with_fact("service", service)
            .with_source(error)
        })?;
    }
    Ok(())
}

fn address(url: &SecretString) -> fault::Result<PgConnectOptions> {
    url.expose_secret()
        .parse()
        .map_err(|_| Fault::invalid("/database/url", "malformed", "The database address is malformed."))
}

fn role_password(database: &Database) -> &str {
    database.role_password.expose().expose_secret()
}

fn unreachable(error: sqlx::Error) -> Fault {
    Fault::unavailable("database_unreachable", error)
}
