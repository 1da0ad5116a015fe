//! `user_details`.

use eventstore::storage;
use ids::{TenantId, UserId};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::rules::details::{Address, Details};

#[derive(sqlx::FromRow)]
struct Row {
    given_name: String,
    family_name: String,
    company: String,
    tax_id: String,
    phone: String,
    locale: String,
    addresses: Json<Vec<Address>>,
}

/// What is known about a user; nothing is known when nothing was written.
///
/// # Errors
/// Faults of the database.
pub async fn find(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<Details> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT given_name, family_name, company, tax_id, phone, locale, addresses FROM user_details \
         WHERE tenant_id = $1 AND user_id = $2",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map_or_else(Details::default, |row| Details {
        given_name: row.given_name,
        family_name: row.family_name,
        company: row.company,
        tax_id: row.tax_id,
        phone: row.phone,
        locale: row.locale,
        addresses: row.addresses.0,
    }))
}

/// Replaces what is known about a user.
///
/// # Errors
/// Faults of the database.
pub async fn put(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    details: &Details,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO user_details (tenant_id, user_id, given_name, family_name, company, tax_id, phone, locale, \
         addresses) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (tenant_id, user_id) DO UPDATE SET given_name = excluded.given_name, \
         family_name = excluded.family_name, company = excluded.company, tax_id = excluded.tax_id, \
         phone = excluded.phone, locale = excluded.locale, addresses = excluded.addresses",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(&details.given_name)
    .bind(&details.family_name)
    .bind(&details.company)
    .bind(&details.tax_id)
    .bind(&details.phone)
    .bind(&details.locale)
    .bind(Json(&details.addresses))
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Forgets a user.
///
/// # Errors
/// Faults of the database.
pub async fn remove(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<()> {
    sqlx::query("DELETE FROM user_details WHERE tenant_id = $1 AND user_id = $2")
        .bind(tenant.as_uuid())
        .bind(user.as_uuid())
        .execute(on)
        .await
        .map_err(storage)?;
    Ok(())
}

/// The language of a user: the user's own, or else the tenant's.
///
/// # Errors
/// Faults of the database.
pub async fn locale(on: &mut PgConnection, tenant: TenantId, user: UserId) -> fault::Result<String> {
    let locale: Option<String> = sqlx::query_scalar(
        "SELECT coalesce(nullif(d.locale, ''), t.locale) FROM tenants t \
         LEFT JOIN user_details d ON d.tenant_id = t.tenant_id AND d.user_id = $2 WHERE t.tenant_id = $1",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(locale.unwrap_or_default())
}
