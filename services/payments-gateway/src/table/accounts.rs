//! The tables `provider_settings` and `method_rules`.

use std::collections::BTreeMap;

use eventstore::storage;
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::rules::Rule;

/// A webhook's time is noted at most this often, so that a storm does not queue at one row.
const NOTE_EVERY_SECONDS: i64 = 5;

/// An account as it is stored.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct AccountRow {
    pub(crate) provider: String,
    pub(crate) enabled: bool,
    pub(crate) live: bool,
    pub(crate) settings: Json<BTreeMap<String, String>>,
    pub(crate) sealed_secrets: Vec<u8>,
    pub(crate) countries: Vec<String>,
    pub(crate) webhook_received_at: Option<jiff_sqlx::Timestamp>,
    pub(crate) webhook_failed_at: Option<jiff_sqlx::Timestamp>,
    pub(crate) webhook_failure: Option<String>,
}

/// The accounts of a tenant.
pub(crate) async fn all(connection: &mut PgConnection, tenant: TenantId) -> fault::Result<Vec<AccountRow>> {
    sqlx::query_as(
        "SELECT provider, enabled, live, settings, sealed_secrets, countries, webhook_received_at, \
         webhook_failed_at, webhook_failure FROM provider_settings WHERE tenant_id = $1 ORDER BY provider",
    )
    .bind(tenant.as_uuid())
    .fetch_all(connection)
    .await
    .map_err(storage)
}

/// The sealed secrets of an account, held until the transaction ends, so that of two who change the
/// account the second one sees what the first one left.
pub(crate) async fn hold(
    connection: &mut PgConnection,
    (tenant, provider): (TenantId, &str),
) -> fault::Result<Option<Vec<u8>>> {
    sqlx::query_scalar(
        "SELECT sealed_secrets FROM provider_settings WHERE tenant_id = $1 AND provider = $2 FOR UPDATE",
    )
    .bind(tenant.as_uuid())
    .bind(provider)
    .fetch_optional(connection)
    .await
    .map_err(storage)
}

/// Writes an account.
pub(crate) async fn put(
    connection: &mut PgConnection,
    tenant: TenantId,
    row: &AccountRow,
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO provider_settings (tenant_id, provider, enabled, live, settings, sealed_secrets, countries, \
         updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant_id, provider) DO UPDATE SET \
         enabled = excluded.enabled, live = excluded.live, settings = excluded.settings, \
         sealed_secrets = excluded.sealed_secrets, countries = excluded.countries, updated_at = excluded.updated_at",
    )
    .bind(tenant.as_uuid())
    .bind(&row.provider)
    .bind(row.enabled)
    .bind(row.live)
    .bind(&row.settings)
    .bind(&row.sealed_secrets)
    .bind(&row.countries)
    .bind(now.to_sqlx())
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Notes that a webhook was taken, or why it was refused.
pub(crate) async fn note_webhook(
    connection: &mut PgConnection,
    (tenant, provider): (TenantId, &str),
    failure: Option<&str>,
    now: Timestamp,
) -> fault::Result<()> {
    let before = now - jiff::SignedDuration::from_secs(NOTE_EVERY_SECONDS);
    let statement = match failure {
        None => {
            "UPDATE provider_settings SET webhook_received_at = $3 WHERE tenant_id = $1 AND provider = $2 \
             AND (webhook_received_at IS NULL OR webhook_received_at < $4) AND $5::text IS NULL"
        }
        Some(_) => {
            "UPDATE provider_settings SET webhook_failed_at = $3, webhook_failure = $5 \
             WHERE tenant_id = $1 AND provider = $2 \
             AND (webhook_failed_at IS NULL OR webhook_failed_at < $4 OR webhook_failure <> $5)"
        }
    };
    sqlx::query(statement)
        .bind(tenant.as_uuid())
        .bind(provider)
        .bind(now.to_sqlx())
        .bind(before.to_sqlx())
        .bind(failure)
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(())
}

/// The rules of a tenant, by method.
pub(crate) async fn rules(
    connection: &mut PgConnection,
    tenant: TenantId,
) -> fault::Result<BTreeMap<String, Rule>> {
    let rows: Vec<(String, Json<Rule>)> =
        sqlx::query_as("SELECT method, rule FROM method_rules WHERE tenant_id = $1")
            .bind(tenant.as_uuid())
            .fetch_all(connection)
            .await
            .map_err(storage)?;
    Ok(rows.into_iter().map(|(method, rule)| (method, rule.0)).collect())
}

/// Writes a rule.
pub(crate) async fn put_rule(
    connection: &mut PgConnection,
    (tenant, method): (TenantId, &str),
    rule: &Rule,
    now: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO method_rules (tenant_id, method, rule, updated_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (tenant_id, method) DO UPDATE SET rule = excluded.rule, updated_at = excluded.updated_at",
    )
    .bind(tenant.as_uuid())
    .bind(method)
    .bind(Json(rule))
    .bind(now.to_sqlx())
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}
