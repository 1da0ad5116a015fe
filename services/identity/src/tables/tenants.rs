//! `tenants` and `tenant_hosts`.

use eventstore::storage;
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use uuid::Uuid;

/// A tenant, as the gateway needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Which.
    pub id: TenantId,
    /// Short name in addresses.
    pub slug: String,
    /// ISO 4217.
    pub default_currency: String,
    /// Whether it is in use.
    pub active: bool,
    /// Calls at the edge, 0 without limit.
    pub requests_per_minute: i32,
}

/// A tenant to be.
pub struct NewTenant<'a> {
    /// Which.
    pub id: TenantId,
    /// Short name in addresses.
    pub slug: &'a str,
    /// Name to show.
    pub name: &'a str,
    /// ISO 4217.
    pub default_currency: &'a str,
    /// BCP 47.
    pub locale: &'a str,
    /// When.
    pub at: Timestamp,
}

/// The tenant that answers on a host, in use or stopped. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn by_host(on: &mut PgConnection, host: &str) -> fault::Result<Option<Tenant>> {
    let row: Option<(Uuid, String, String, bool, i32)> = sqlx::query_as(
        "SELECT t.tenant_id, t.slug, t.default_currency, t.status = 'active', t.requests_per_minute \
         FROM tenant_hosts h JOIN tenants t USING (tenant_id) WHERE h.host = $1",
    )
    .bind(host)
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map(|(id, slug, default_currency, active, requests_per_minute)| {
        let id = TenantId::from_uuid(id);
        Tenant { id, slug, default_currency, active, requests_per_minute }
    }))
}

/// Adds a tenant unless its slug is taken; answers who has the slug now. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn insert(on: &mut PgConnection, tenant: &NewTenant<'_>) -> fault::Result<TenantId> {
    sqlx::query(
        "INSERT INTO tenants (tenant_id, slug, name, default_currency, locale, status, created_at) \
         VALUES ($1, $2, $3, $4, $5, 'active', $6) ON CONFLICT (slug) DO NOTHING",
    )
    .bind(tenant.id.as_uuid())
    .bind(tenant.slug)
    .bind(tenant.name)
    .bind(tenant.default_currency)
    .bind(tenant.locale)
    .bind(tenant.at.to_sqlx())
    .execute(&mut *on)
    .await
    .map_err(storage)?;
    sqlx::query_scalar("SELECT tenant_id FROM tenants WHERE slug = $1")
        .bind(tenant.slug)
        .fetch_one(on)
        .await
        .map(TenantId::from_uuid)
        .map_err(storage)
}

/// Gives a host to a tenant unless another has it; answers who has it now. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn give_host(on: &mut PgConnection, tenant: TenantId, host: &str) -> fault::Result<TenantId> {
    sqlx::query("INSERT INTO tenant_hosts (host, tenant_id) VALUES ($1, $2) ON CONFLICT (host) DO NOTHING")
        .bind(host)
        .bind(tenant.as_uuid())
        .execute(&mut *on)
        .await
        .map_err(storage)?;
    sqlx::query_scalar("SELECT tenant_id FROM tenant_hosts WHERE host = $1")
        .bind(host)
        .fetch_one(on)
        .await
        .map(TenantId::from_uuid)
        .map_err(storage)
}

/// Who has a host. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn holder(on: &mut PgConnection, host: &str) -> fault::Result<Option<TenantId>> {
    let holder: Option<Uuid> = sqlx::query_scalar("SELECT tenant_id FROM tenant_hosts WHERE host = $1")
        .bind(host)
        .fetch_optional(on)
        .await
        .map_err(storage)?;
    Ok(holder.map(TenantId::from_uuid))
}

/// The name to show of a tenant.
///
/// # Errors
/// Faults of the database.
pub async fn name(on: &mut PgConnection, tenant: TenantId) -> fault::Result<String> {
    sqlx::query_scalar("SELECT name FROM tenants WHERE tenant_id = $1")
        .bind(tenant.as_uuid())
        .fetch_one(on)
        .await
        .map_err(storage)
}

/// Whether there is such a tenant.
///
/// # Errors
/// Faults of the database.
pub async fn exists(on: &mut PgConnection, tenant: TenantId) -> fault::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM tenants WHERE tenant_id = $1)")
        .bind(tenant.as_uuid())
        .fetch_one(on)
        .await
        .map_err(storage)
}

/// Every tenant, in no order that means anything. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn all(on: &mut PgConnection) -> fault::Result<Vec<TenantId>> {
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT tenant_id FROM tenants ORDER BY tenant_id")
        .fetch_all(on)
        .await
        .map_err(storage)?;
    Ok(ids.into_iter().map(TenantId::from_uuid).collect())
}

/// The host that links name.
///
/// # Errors
/// Faults of the database.
pub async fn main_host(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Option<String>> {
    sqlx::query_scalar(
        "SELECT host FROM tenant_hosts WHERE tenant_id = $1 ORDER BY is_main DESC, host LIMIT 1",
    )
    .bind(tenant.as_uuid())
    .fetch_optional(on)
    .await
    .map_err(storage)
}

/// Takes the lock under which roles and owners of a tenant change: whoever decides by looking at
/// several users (is there another owner?) must not decide beside somebody who does the same.
///
/// # Errors
/// Faults of the database.
pub async fn lock_administration(on: &mut PgConnection, tenant: TenantId) -> fault::Result<()> {
    sqlx::query("SELECT 1 FROM tenants WHERE tenant_id = $1 FOR NO KEY UPDATE")
        .bind(tenant.as_uuid())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}
