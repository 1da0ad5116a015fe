//! The tables `token_bundles` and `token_bundle_prices`.

use eventstore::storage;
use fault::{Code, Fault};
use ids::{BundleId, TenantId};
use jiff::Timestamp;
use money::Money;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

use super::{Bundle, BundleBody};

const LIST: &str = "
SELECT bundle.bundle_id, bundle.name, bundle.description, bundle.tokens, bundle.active, bundle.sort_order,
    bundle.revision,
    coalesce(array_agg(price.currency ORDER BY price.currency) FILTER (WHERE price.currency IS NOT NULL), '{}')
        AS currencies,
    coalesce(array_agg(price.minor ORDER BY price.currency) FILTER (WHERE price.currency IS NOT NULL), '{}')
        AS minors
FROM token_bundles AS bundle LEFT JOIN token_bundle_prices AS price USING (tenant_id, bundle_id)
WHERE bundle.tenant_id = $1 AND bundle.deleted_at IS NULL
GROUP BY bundle.tenant_id, bundle.bundle_id
ORDER BY bundle.sort_order, bundle.name, bundle.bundle_id";

const INSERT: &str = "
INSERT INTO token_bundles (tenant_id, bundle_id, name, description, tokens, active, sort_order, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

const UPDATE: &str = "
UPDATE token_bundles SET name = $3, description = $4, tokens = $5, active = $6, sort_order = $7, updated_at = $8,
    revision = revision + 1
WHERE tenant_id = $1 AND bundle_id = $2 AND deleted_at IS NULL AND revision = $9 RETURNING revision";

const PRICES: &str = "
INSERT INTO token_bundle_prices (tenant_id, bundle_id, currency, minor)
SELECT $1, $2, currency, minor FROM unnest($3::text[], $4::bigint[]) AS price (currency, minor)";

#[derive(FromRow)]
struct Row {
    bundle_id: Uuid,
    name: String,
    description: String,
    tokens: i64,
    active: bool,
    sort_order: i32,
    revision: i64,
    currencies: Vec<String>,
    minors: Vec<i64>,
}

/// All bundles that were not deleted, in display order.
pub(super) async fn list(connection: &mut PgConnection, tenant: TenantId) -> fault::Result<Vec<Bundle>> {
    let rows: Vec<Row> =
        sqlx::query_as(LIST).bind(tenant.as_uuid()).fetch_all(connection).await.map_err(storage)?;
    rows.into_iter().map(bundle).collect()
}

/// Adds a bundle; one that is there stays as it is.
pub(super) async fn insert(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: BundleId,
    body: &BundleBody,
    at: Timestamp,
) -> fault::Result<bool> {
    let inserted = sqlx::query(INSERT)
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .bind(&body.name)
        .bind(&body.description)
        .bind(body.tokens)
        .bind(body.active)
        .bind(body.sort_order)
        .bind(jiff_sqlx::Timestamp::from(at))
        .execute(&mut *connection)
        .await
        .map_err(storage)?;
    let is_new = inserted.rows_affected() == 1;
    if is_new {
        price(connection, tenant, id, &body.prices).await?;
    }
    Ok(is_new)
}

/// Replaces a bundle if it has this revision; answers the next one.
pub(super) async fn update(
    connection: &mut PgConnection,
    tenant: TenantId,
    bundle: &Bundle,
    at: Timestamp,
) -> fault::Result<i64> {
    let body = &bundle.body;
    let revision: Option<i64> = sqlx::query_scalar(UPDATE)
        .bind(tenant.as_uuid())
        .bind(bundle.id.as_uuid())
        .bind(&body.name)
        .bind(&body.description)
        .bind(body.tokens)
        .bind(body.active)
        .bind(body.sort_order)
        .bind(jiff_sqlx::Timestamp::from(at))
        .bind(bundle.revision)
        .fetch_optional(&mut *connection)
        .await
        .map_err(storage)?;
    let Some(revision) = revision else { return Err(not_updated(connection, tenant, bundle.id).await?) };
    sqlx::query("DELETE FROM token_bundle_prices WHERE tenant_id = $1 AND bundle_id = $2")
        .bind(tenant.as_uuid())
        .bind(bundle.id.as_uuid())
        .execute(&mut *connection)
        .await
        .map_err(storage)?;
    price(connection, tenant, bundle.id, &body.prices).await?;
    Ok(revision)
}

/// Takes a bundle from sale for good; one that is gone stays gone.
pub(super) async fn delete(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: BundleId,
    at: Timestamp,
) -> fault::Result<()> {
    sqlx::query(
        "UPDATE token_bundles SET deleted_at = $3, active = false, revision = revision + 1, updated_at = $3 \
         WHERE tenant_id = $1 AND bundle_id = $2 AND deleted_at IS NULL",
    )
    .bind(tenant.as_uuid())
    .bind(id.as_uuid())
    .bind(jiff_sqlx::Timestamp::from(at))
    .execute(connection)
    .await
    .map_err(storage)?;
    Ok(())
}

async fn price(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: BundleId,
    prices: &[Money],
) -> fault::Result<()> {
    let currencies: Vec<String> = prices.iter().map(|price| price.currency().code().to_owned()).collect();
    let minors: Vec<i64> = prices.iter().map(|price| price.minor()).collect();
    sqlx::query(PRICES)
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .bind(currencies)
        .bind(minors)
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(())
}

async fn not_updated(connection: &mut PgConnection, tenant: TenantId, id: BundleId) -> fault::Result<Fault> {
    let query =
        "SELECT revision FROM token_bundles WHERE tenant_id = $1 AND bundle_id = $2 AND deleted_at IS NULL";
    let revision: Option<i64> = sqlx::query_scalar(query)
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .fetch_optional(connection)
        .await
        .map_err(storage)?;
    Ok(match revision {
        None => Fault::not_found("bundle"),
        Some(revision) => {
            Fault::new(Code::StaleRevision, "stale_revision", "The bundle has changed since it was read.")
                .with_fact("revision", revision)
        }
    })
}

fn bundle(row: Row) -> fault::Result<Bundle> {
    let price =
        |(currency, minor): (String, i64)| Ok(Money::new(minor, currency.parse().map_err(Fault::internal)?));
    let prices = row.currencies.into_iter().zip(row.minors).map(price).collect::<fault::Result<_>>()?;
    let body = BundleBody {
        name: row.name,
        description: row.description,
        tokens: row.tokens,
        prices,
        active: row.active,
        sort_order: row.sort_order,
    };
    Ok(Bundle { id: BundleId::from_uuid(row.bundle_id), body, revision: row.revision })
}
