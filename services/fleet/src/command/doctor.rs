//! `vbwd doctor`: says what is wrong with an installation and what to do about it.

use std::time::Duration;

use fault::{Code, Fault};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, PgConnection, Row as _};

use crate::config::Config;

/// What one check found.
struct Finding {
    what: &'static str,
    outcome: Result<String, String>,
}

/// Oldest PostgreSQL that is supported.
const POSTGRES_OLDEST: i32 = 150_000;

/// Checks everything and prints a line each.
///
/// # Errors
/// `installation_unhealthy` when any check failed.
pub async fn run(config: &Config) -> fault::Result<()> {
    let mut findings = vec![Finding { what: "configuration", outcome: Ok("complete".to_owned()) }];
    findings.extend(database(config).await);
    findings.push(broker(config).await);
    let sick = findings.iter().filter(|finding| finding.outcome.is_err()).count();
    for Finding { what, outcome } in findings {
        match outcome {
            Ok(text) => println!("ok    {what}: {text}"),
            Err(text) => println!("WRONG {what}: {text}"),
        }
    }
    if sick == 0 {
        return Ok(());
    }
    Err(Fault::new(Code::Unavailable, "installation_unhealthy", format!("{sick} checks failed.")))
}

async fn database(config: &Config) -> Vec<Finding> {
    let connecting = PgConnection::connect(config.database.url.expose().expose_secret());
    let mut connection = match tokio::time::timeout(Duration::from_secs(5), connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return vec![found("database", Err(format!("does not answer: {error}")))],
        Err(_) => return vec![found("database", Err("no answer within 5 s".to_owned()))],
    };
    let mut findings = vec![found("database", version(&mut connection).await.map_err(text))];
    findings.push(found("isolation", row_security(&mut connection).await.map_err(text).and_then(|all| all)));
    for (service, migrator) in super::migrate::migrations() {
        let pending = pending(&mut connection, service, &migrator).await;
        findings.push(found(
            "migrations",
            pending.map_err(|why| format!("{service}: {why}; run `vbwd migrate`")),
        ));
        if matches!(service, "identity" | "wallet" | "invoicing" | "subscription" | "payments" | "notify") {
            findings.push(found("dead letters", dead_letters(&mut connection, service).await));
        }
    }
    findings
}

fn found(what: &'static str, outcome: Result<String, String>) -> Finding {
    Finding { what, outcome }
}

fn text(error: sqlx::Error) -> String {
    error.to_string()
}

async fn version(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    let number: String = sqlx::query_scalar("SHOW server_version_num").fetch_one(&mut *connection).await?;
    let shown: String = sqlx::query_scalar("SHOW server_version").fetch_one(connection).await?;
    let supported = number.parse::<i32>().is_ok_and(|number| number >= POSTGRES_OLDEST);
    let verdict = if supported { "supported" } else { "older than 15: not supported" };
    Ok(format!("PostgreSQL {shown}, {verdict}"))
}

/// Every table with a tenant column that a service may read must have row-level security, forced.
async fn row_security(connection: &mut PgConnection) -> Result<Result<String, String>, sqlx::Error> {
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped \
         WHERE c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity) \
           AND n.nspname IN ('identity', 'wallet', 'invoicing', 'subscription', 'payments', 'notify', 'sandbox', \
           'gateway') \
           AND (has_table_privilege('vbwd_' || n.nspname, c.oid, 'SELECT') \
             OR has_table_privilege('vbwd_' || n.nspname || '_worker', c.oid, 'SELECT'))",
    )
    .fetch_all(connection)
    .await?;
    if open.is_empty() {
        return Ok(Ok("every tenant table has forced row-level security".to_owned()));
    }
    Ok(Err(format!("tables without forced row-level security: {}", open.join(", "))))
}

async fn pending(
    connection: &mut PgConnection,
    service: &str,
    migrator: &sqlx::migrate::Migrator,
) -> Result<String, String> {
    let query = format!("SELECT version, success FROM {service}._sqlx_migrations");
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(connection).await.map_err(text)?;
    let done: Vec<i64> = rows.iter().filter(|row| row.get("success")).map(|row| row.get("version")).collect();
    let missing = migrator.iter().filter(|migration| !done.contains(&migration.version)).count();
    match missing {
        0 => Ok(format!("{service} is up to date")),
        count => Err(format!("{count} not run")),
    }
}

async fn dead_letters(connection: &mut PgConnection, service: &str) -> Result<String, String> {
    let query = format!("SELECT count(*) FROM {service}.dead_letters WHERE replayed_at IS NULL");
    let waiting: i64 =
        sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(connection).await.map_err(text)?;
    match waiting {
        0 => Ok(format!("{service} has none")),
        count => Err(format!("{service} has {count} events that could not be handled")),
    }
}

async fn broker(config: &Config) -> Finding {
    let outcome = match crate::compose::bus(config).await {
        Ok(bus) => bus.ensure_stream().await.map(|()| "JetStream answers".to_owned()),
        Err(fault) => Err(fault),
    };
    found("broker", outcome.map_err(|fault| format!("{fault}")))
}
