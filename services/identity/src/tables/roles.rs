//! `roles`: what the tenant's own roles grant. The built-in ones are code and win over a row.

use auth::{PLATFORM_TENANT, Permissions};
use eventstore::storage;
use fault::Fault;
use ids::{TenantId, UserId};
use sqlx::PgConnection;

use crate::rules::roles::built_in_at;

/// A role of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it grants.
    pub permissions: Permissions,
}

/// All roles that the tenant made.
///
/// # Errors
/// Faults of the database.
pub async fn all(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Vec<Role>> {
    let rows: Vec<(String, Vec<String>)> = sqlx::query_as(
        "SELECT name, permissions FROM roles WHERE tenant_id = $1 ORDER BY name COLLATE \"C\"",
    )
    .bind(tenant.as_uuid())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    rows.into_iter().map(|(name, granted)| Ok(Role { name, permissions: permissions(granted)? })).collect()
}

/// What the role grants; `None` when there is no such role.
///
/// # Errors
/// Faults of the database.
pub async fn granted_by(
    on: &mut PgConnection,
    tenant: TenantId,
    role: &str,
) -> fault::Result<Option<Permissions>> {
    if let Some(role) = built_in_at(tenant, role) {
        return permissions(role.permissions.iter().map(|text| (*text).to_owned()).collect()).map(Some);
    }
    let row: Option<Vec<String>> =
        sqlx::query_scalar("SELECT permissions FROM roles WHERE tenant_id = $1 AND name = $2")
            .bind(tenant.as_uuid())
            .bind(role)
            .fetch_optional(on)
            .await
            .map_err(storage)?;
    row.map(permissions).transpose()
}

/// The roles a user holds, sorted, and everything they grant together.
///
/// # Errors
/// Faults of the database.
pub async fn held_by(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
) -> fault::Result<(Vec<String>, Permissions)> {
    let rows: Vec<(String, Option<Vec<String>>)> = sqlx::query_as(
        "SELECT h.role, r.permissions FROM user_roles h \
         LEFT JOIN roles r ON r.tenant_id = h.tenant_id AND r.name = h.role \
         WHERE h.tenant_id = $1 AND h.user_id = $2 ORDER BY h.role COLLATE \"C\"",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_all(on)
    .await
    .map_err(storage)?;
    let mut names = Vec::with_capacity(rows.len());
    let mut all = Permissions::none();
    for (name, own) in rows {
        let shipped = built_in_at(tenant, &name)
            .map(|role| role.permissions.iter().map(|text| (*text).to_owned()).collect());
        all = all.union(&permissions(shipped.or(own).unwrap_or_default())?);
        names.push(name);
    }
    // Whatever stands in the tables, nobody operates the installation from within a tenant.
    let all = if tenant == PLATFORM_TENANT { all } else { all.without_platform() };
    Ok((names, all))
}

/// How many users hold a role.
///
/// # Errors
/// Faults of the database.
pub async fn holders(on: &mut PgConnection, tenant: TenantId, role: &str) -> fault::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM user_roles WHERE tenant_id = $1 AND role = $2")
        .bind(tenant.as_uuid())
        .bind(role)
        .fetch_one(on)
        .await
        .map_err(storage)
}

/// Removes a role.
///
/// # Errors
/// Faults of the database.
pub async fn remove(on: &mut PgConnection, tenant: TenantId, role: &str) -> fault::Result<()> {
    sqlx::query("DELETE FROM roles WHERE tenant_id = $1 AND name = $2")
        .bind(tenant.as_uuid())
        .bind(role)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

/// Creates or replaces a role.
///
/// # Errors
/// Faults of the database.
pub async fn put(on: &mut PgConnection, tenant: TenantId, role: &Role) -> fault::Result<()> {
    let granted: Vec<&str> = role.permissions.iter().collect();
    sqlx::query(
        "INSERT INTO roles (tenant_id, name, permissions) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant_id, name) DO UPDATE SET permissions = excluded.permissions",
    )
    .bind(tenant.as_uuid())
    .bind(&role.name)
    .bind(granted)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

fn permissions(granted: Vec<String>) -> fault::Result<Permissions> {
    Permissions::new(granted).map_err(Fault::internal)
}
