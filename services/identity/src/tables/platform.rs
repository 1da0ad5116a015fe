//! `tenants` and `tenant_hosts` as operators and the tenants themselves change them.

use eventstore::storage;
use fault::Fault;
use ids::TenantId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::types::Json;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::rules::tenant::{Branding, Limits};

/// Whether a tenant may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantStatus {
    /// In use.
    Active,
    /// Stopped, for now.
    Suspended,
    /// Stopped, and to be purged.
    Deleting,
    /// Gone; the row keeps the id from being used again and the audit trail readable.
    Purged,
}

impl TenantStatus {
    /// The word in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Deleting => "deleting",
            Self::Purged => "purged",
        }
    }

    /// The status with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Deleting, Self::Purged]
            .into_iter()
            .find(|status| status.as_str() == word)
    }
}

/// A tenant with everything that is set about it.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Which.
    pub id: TenantId,
    /// Short name.
    pub slug: String,
    /// Name to show.
    pub name: String,
    /// Whether it may be used.
    pub status: TenantStatus,
    /// Why it was suspended.
    pub suspended_reason: String,
    /// When it is to be purged.
    pub purge_at: Option<Timestamp>,
    /// ISO 4217.
    pub default_currency: String,
    /// BCP 47.
    pub locale: String,
    /// How it looks.
    pub branding: Branding,
    /// What it may use.
    pub limits: Limits,
    /// When it was created.
    pub created_at: Timestamp,
    /// Number of the last change.
    pub revision: i64,
    /// Host, and whether it is the main one.
    pub hosts: Vec<(String, bool)>,
}

pub(super) const PROFILE: &str = "SELECT t.*, ARRAY(SELECT h.host FROM tenant_hosts h WHERE h.tenant_id = t.tenant_id \
     ORDER BY h.is_main DESC, h.host) AS hosts, \
     EXISTS (SELECT FROM tenant_hosts h WHERE h.tenant_id = t.tenant_id AND h.is_main) AS has_main FROM tenants t ";

/// One tenant, under the lock of its administration when `locked`.
///
/// # Errors
/// Faults of the database.
pub async fn find(on: &mut PgConnection, tenant: TenantId, locked: bool) -> fault::Result<Option<Profile>> {
    let lock = if locked { "FOR NO KEY UPDATE OF t" } else { "" };
    let query = sqlx::AssertSqlSafe(format!("{PROFILE} WHERE t.tenant_id = $1 {lock}"));
    let row = sqlx::query(query).bind(tenant.as_uuid()).fetch_optional(on).await.map_err(storage)?;
    row.map(|row| profile(&row)).transpose()
}

pub(super) fn profile(row: &sqlx::postgres::PgRow) -> fault::Result<Profile> {
    let read = || -> Result<Profile, sqlx::Error> {
        let (hosts, has_main): (Vec<String>, bool) = (row.try_get("hosts")?, row.try_get("has_main")?);
        let status: String = row.try_get("status")?;
        let purge_at: Option<jiff_sqlx::Timestamp> = row.try_get("purge_at")?;
        Ok(Profile {
            id: TenantId::from_uuid(row.try_get("tenant_id")?),
            slug: row.try_get("slug")?,
            name: row.try_get("name")?,
            status: TenantStatus::named(&status).ok_or(sqlx::Error::RowNotFound)?,
            suspended_reason: row.try_get("suspended_reason")?,
            purge_at: purge_at.map(|at| at.to_jiff()),
            default_currency: row.try_get("default_currency")?,
            locale: row.try_get("locale")?,
            branding: row.try_get::<Json<Branding>, _>("branding")?.0,
            limits: Limits {
                users_max: row.try_get("users_max")?,
                api_keys_max: row.try_get("api_keys_max")?,
                requests_per_minute: row.try_get("requests_per_minute")?,
            },
            created_at: row.try_get::<jiff_sqlx::Timestamp, _>("created_at")?.to_jiff(),
            revision: row.try_get("revision")?,
            hosts: hosts
                .into_iter()
                .enumerate()
                .map(|(place, host)| (host, has_main && place == 0))
                .collect(),
        })
    };
    read().map_err(Fault::internal)
}

/// Writes everything about a tenant but its hosts, and counts the change.
///
/// # Errors
/// Faults of the database.
pub async fn write(on: &mut PgConnection, tenant: &Profile) -> fault::Result<()> {
    sqlx::query(
        "UPDATE tenants SET slug = $2, name = $3, status = $4, suspended_reason = $5, purge_at = $6, \
         default_currency = $7, locale = $8, branding = $9, users_max = $10, api_keys_max = $11, \
         requests_per_minute = $12, revision = revision + 1 WHERE tenant_id = $1",
    )
    .bind(tenant.id.as_uuid())
    .bind(&tenant.slug)
    .bind(&tenant.name)
    .bind(tenant.status.as_str())
    .bind(&tenant.suspended_reason)
    .bind(tenant.purge_at.map(|at| at.to_sqlx()))
    .bind(&tenant.default_currency)
    .bind(&tenant.locale)
    .bind(Json(&tenant.branding))
    .bind(tenant.limits.users_max)
    .bind(tenant.limits.api_keys_max)
    .bind(tenant.limits.requests_per_minute)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Makes one host of a tenant the main one; `false` when it has no such host.
///
/// # Errors
/// Faults of the database.
pub async fn set_main_host(on: &mut PgConnection, tenant: TenantId, host: &str) -> fault::Result<bool> {
    // In two steps, for the index allows one main host at any moment.
    sqlx::query("UPDATE tenant_hosts SET is_main = false WHERE tenant_id = $1 AND is_main AND host <> $2")
        .bind(tenant.as_uuid())
        .bind(host)
        .execute(&mut *on)
        .await
        .map_err(storage)?;
    let set = sqlx::query("UPDATE tenant_hosts SET is_main = true WHERE tenant_id = $1 AND host = $2")
        .bind(tenant.as_uuid())
        .bind(host)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(set.rows_affected() == 1)
}

/// Takes a host from a tenant.
///
/// # Errors
/// Faults of the database.
pub async fn take_host(on: &mut PgConnection, tenant: TenantId, host: &str) -> fault::Result<()> {
    sqlx::query("DELETE FROM tenant_hosts WHERE tenant_id = $1 AND host = $2")
        .bind(tenant.as_uuid())
        .bind(host)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

/// Tenants whose grace period is over. For the worker.
///
/// # Errors
/// Faults of the database.
pub async fn due_to_purge(on: &mut PgConnection, now: Timestamp) -> fault::Result<Vec<TenantId>> {
    let ids: Vec<Uuid> =
        sqlx::query_scalar("SELECT tenant_id FROM tenants WHERE purge_at <= $1 ORDER BY purge_at LIMIT 10")
            .bind(now.to_sqlx())
            .fetch_all(on)
            .await
            .map_err(storage)?;
    Ok(ids.into_iter().map(TenantId::from_uuid).collect())
}

/// How many users that are not erased, and how many working API keys, a tenant has.
///
/// # Errors
/// Faults of the database.
pub async fn used(on: &mut PgConnection, tenant: TenantId, now: Timestamp) -> fault::Result<(i64, i64)> {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM users WHERE tenant_id = $1 AND status <> 'erased'), \
         (SELECT count(*) FROM api_keys WHERE tenant_id = $1 AND revoked_at IS NULL AND expires_at > $2)",
    )
    .bind(tenant.as_uuid())
    .bind(now.to_sqlx())
    .fetch_one(on)
    .await
    .map_err(storage)
}

/// Whether a tenant may be used; none when there is no such tenant.
///
/// # Errors
/// Faults of the database.
pub async fn status(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Option<TenantStatus>> {
    let word: Option<String> = sqlx::query_scalar("SELECT status FROM tenants WHERE tenant_id = $1")
        .bind(tenant.as_uuid())
        .fetch_optional(on)
        .await
        .map_err(storage)?;
    Ok(word.as_deref().and_then(TenantStatus::named))
}

/// What a tenant may use.
///
/// # Errors
/// Faults of the database.
pub async fn limits(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Option<Limits>> {
    let query = "SELECT users_max, api_keys_max, requests_per_minute FROM tenants WHERE tenant_id = $1";
    let row: Option<(i32, i32, i32)> =
        sqlx::query_as(query).bind(tenant.as_uuid()).fetch_optional(on).await.map_err(storage)?;
    Ok(row.map(|(users_max, api_keys_max, requests_per_minute)| Limits {
        users_max,
        api_keys_max,
        requests_per_minute,
    }))
}
