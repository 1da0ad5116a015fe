//! `user_roles`.

use eventstore::storage;
use ids::{TenantId, UserId};
use sqlx::PgConnection;

use crate::rules::roles::OWNER;
use crate::tables::done;

/// Replaces the roles of a user.
///
/// # Errors
/// Faults of the database.
pub async fn set_roles(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    roles: &[String],
) -> fault::Result<()> {
    sqlx::query("DELETE FROM user_roles WHERE tenant_id = $1 AND user_id = $2 AND role <> ALL($3)")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .bind(roles)
        .execute(&mut *on)
        .await
        .map_err(storage)?;
    let statement = sqlx::query(
        "INSERT INTO user_roles (tenant_id, user_id, role) SELECT $1, $2, role FROM unnest($3::text[]) AS role \
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(roles);
    done(on, statement).await.map(drop)
}

/// Whether an active user other than `user` holds the owner's role.
///
/// # Errors
/// Faults of the database.
pub async fn another_owner(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM user_roles r JOIN users u USING (tenant_id, user_id) \
         WHERE r.tenant_id = $1 AND r.role = $3 AND u.status = 'active' AND r.user_id <> $2)",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(OWNER)
    .fetch_one(on)
    .await
    .map_err(storage)
}
