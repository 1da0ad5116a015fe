//! `access_levels`, `user_access_levels`, `user_plans`.

use eventstore::storage;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

/// A level of access.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AccessLevel {
    /// Its key.
    pub level: String,
    /// Name to show.
    pub name: String,
    /// Sorts levels.
    pub rank: i32,
    /// Whoever holds one of these plans has it.
    pub plans: Vec<String>,
}

/// All levels of a tenant, the lowest rank first.
///
/// # Errors
/// Faults of the database.
pub async fn all(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Vec<AccessLevel>> {
    sqlx::query_as(
        "SELECT level, name, rank, plans FROM access_levels WHERE tenant_id = $1 \
         ORDER BY rank, level COLLATE \"C\"",
    )
    .bind(tenant.as_uuid())
    .fetch_all(on)
    .await
    .map_err(storage)
}

/// Creates or replaces a level.
///
/// # Errors
/// Faults of the database.
pub async fn put(on: &mut PgConnection, tenant: TenantId, level: &AccessLevel) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO access_levels (tenant_id, level, name, rank, plans) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant_id, level) DO UPDATE SET name = excluded.name, rank = excluded.rank, \
         plans = excluded.plans",
    )
    .bind(tenant.as_uuid())
    .bind(&level.level)
    .bind(&level.name)
    .bind(level.rank)
    .bind(&level.plans)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Removes a level; `false` when there is none.
///
/// # Errors
/// Faults of the database.
pub async fn remove(on: &mut PgConnection, tenant: TenantId, level: &str) -> fault::Result<bool> {
    let done = sqlx::query("DELETE FROM access_levels WHERE tenant_id = $1 AND level = $2")
        .bind(tenant.as_uuid())
        .bind(level)
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(done.rows_affected() == 1)
}

/// The levels a user holds at `at`, sorted: given ones, and those of the plans held.
///
/// # Errors
/// Faults of the database.
pub async fn held_by(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    at: Timestamp,
) -> fault::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT level FROM (SELECT level COLLATE \"C\" AS level FROM user_access_levels \
         WHERE tenant_id = $1 AND user_id = $2 AND (expires_at IS NULL OR expires_at > $3) \
         UNION SELECT l.level COLLATE \"C\" FROM access_levels l JOIN user_plans p \
         ON p.tenant_id = l.tenant_id AND p.plan = ANY (l.plans) \
         WHERE p.tenant_id = $1 AND p.user_id = $2) held ORDER BY level",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(at.to_sqlx())
    .fetch_all(on)
    .await
    .map_err(storage)
}

/// Replaces the levels that were given to a user.
///
/// # Errors
/// Faults of the database.
pub async fn set_given(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    levels: &[String],
    at: Timestamp,
    expires_at: Option<Timestamp>,
) -> fault::Result<()> {
    sqlx::query("DELETE FROM user_access_levels WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .execute(&mut *on)
        .await
        .map_err(storage)?;
    sqlx::query(
        "INSERT INTO user_access_levels (tenant_id, user_id, level, granted_at, expires_at) \
         SELECT $1, $2, level, $4, $5 FROM unnest($3::text[]) AS level",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(levels)
    .bind(at.to_sqlx())
    .bind(expires_at.map(|at| at.to_sqlx()))
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Replaces the plans that a user holds.
///
/// # Errors
/// Faults of the database.
pub async fn set_plans(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    plans: &[String],
) -> fault::Result<()> {
    sqlx::query("DELETE FROM user_plans WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .execute(&mut *on)
        .await
        .map_err(storage)?;
    sqlx::query(
        "INSERT INTO user_plans (tenant_id, user_id, plan) SELECT $1, $2, plan FROM unnest($3::text[]) AS plan",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(plans)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}
