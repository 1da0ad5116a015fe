//! `person_keys`: without its row, what the history says about a person is noise.

use eventstore::storage;
use ids::{TenantId, UserId};
use sqlx::PgConnection;

/// The sealed key of a person, if the person has one (yet, or still).
///
/// # Errors
/// Faults of the database.
pub async fn find(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<Option<Vec<u8>>> {
    sqlx::query_scalar("SELECT sealed_key FROM person_keys WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .fetch_optional(on)
        .await
        .map_err(storage)
}

/// Gives a person a key unless there is one; answers the one that is kept. An erased user gets none.
///
/// # Errors
/// Faults of the database.
pub async fn keep(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    sealed_key: &[u8],
) -> fault::Result<Option<Vec<u8>>> {
    sqlx::query(
        "INSERT INTO person_keys (tenant_id, user_id, sealed_key) \
         SELECT $1, $2, $3 FROM users WHERE tenant_id = $1 AND user_id = $2 AND erased_at IS NULL FOR SHARE \
         ON CONFLICT (tenant_id, user_id) DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(sealed_key)
    .execute(&mut *on)
    .await
    .map_err(storage)?;
    find(on, tenant, user).await
}

/// Destroys the key of a person.
///
/// # Errors
/// Faults of the database.
pub async fn destroy(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<()> {
    sqlx::query("DELETE FROM person_keys WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}
