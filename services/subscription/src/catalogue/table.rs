//! Writing the tables `plans`, `plan_versions` and `plan_prices`.

use eventstore::{CommandContext, storage};
use fault::Fault;
use ids::{PlanId, PriceId, TenantId};
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;
use sqlx::types::Json;
use subscription_domain::Rest;
use subscription_domain::catalogue::{Face, Sale, Version};
use uuid::Uuid;

use super::NewPlan;
use super::read::unit_name;

const INSERT: &str = "INSERT INTO plans (tenant_id, plan_id, kind, slug, name, description, category, status, \
      sort_order, plan_ids, version, revision, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, nullif($7, ''), $8, $9, $10, 1, 1, $11) ON CONFLICT DO NOTHING";

const EDIT: &str = "UPDATE plans SET name = $3, description = $4, category = nullif($5, ''), status = $6, \
      sort_order = $7, plan_ids = $8, revision = revision + 1, updated_at = $9 \
    WHERE tenant_id = $1 AND plan_id = $2";

const NEXT_VERSION: &str = "UPDATE plans SET version = version + 1, revision = revision + 1, updated_at = $3 \
    WHERE tenant_id = $1 AND plan_id = $2 RETURNING version";

const VERSION: &str = "INSERT INTO plan_versions (tenant_id, plan_id, version, trial_days, tax_class, grant_units, \
      grant_stays, features, access_levels, published_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const PRICES: &str = "INSERT INTO plan_prices (tenant_id, price_id, plan_id, version, place, unit, count, currency, \
      price_minor, setup_fee_minor) \
    SELECT $1, price_id, $2, $3, place::smallint, unit, count, currency, price_minor, setup_fee_minor \
    FROM unnest($4::uuid[], $5::text[], $6::smallint[], $7::text[], $8::bigint[], $9::bigint[]) \
      WITH ORDINALITY AS price (price_id, unit, count, currency, price_minor, setup_fee_minor, place)";

/// Takes the lock of a plan, at which its changes wait for each other.
pub(super) async fn lock(connection: &mut PgConnection, tenant: TenantId, id: PlanId) -> fault::Result<()> {
    let found: Option<Uuid> =
        sqlx::query_scalar("SELECT plan_id FROM plans WHERE tenant_id = $1 AND plan_id = $2 FOR UPDATE")
            .bind(tenant.as_uuid())
            .bind(id.as_uuid())
            .fetch_optional(connection)
            .await
            .map_err(storage)?;
    found.map(drop).ok_or_else(|| Fault::not_found("plan"))
}

/// Adds a plan with its first version; says whether it is new. One whose id or slug is taken is not.
pub(super) async fn insert(
    connection: &mut PgConnection,
    context: &CommandContext,
    new: &NewPlan,
) -> fault::Result<bool> {
    must_exist(connection, context.tenant, &new.face.plan_ids).await?;
    let inserted = sqlx::query(INSERT)
        .bind(context.tenant.as_uuid())
        .bind(new.id.as_uuid())
        .bind(new.kind.name())
        .bind(&new.slug)
        .bind(new.face.name.trim())
        .bind(&new.face.description)
        .bind(&new.face.category)
        .bind(new.sale.name())
        .bind(new.face.sort_order)
        .bind(uuids(&new.face.plan_ids))
        .bind(context.at.to_sqlx())
        .execute(&mut *connection)
        .await
        .map_err(written)?;
    let is_new = inserted.rows_affected() == 1;
    if is_new {
        write_version(connection, context, (new.id, 1), &new.version).await?;
    }
    Ok(is_new)
}

/// Edits a plan that is locked.
pub(super) async fn edit(
    connection: &mut PgConnection,
    context: &CommandContext,
    id: PlanId,
    face: &Face,
    sale: Sale,
) -> fault::Result<()> {
    must_exist(connection, context.tenant, &face.plan_ids).await?;
    sqlx::query(EDIT)
        .bind(context.tenant.as_uuid())
        .bind(id.as_uuid())
        .bind(face.name.trim())
        .bind(&face.description)
        .bind(&face.category)
        .bind(sale.name())
        .bind(face.sort_order)
        .bind(uuids(&face.plan_ids))
        .bind(context.at.to_sqlx())
        .execute(connection)
        .await
        .map_err(written)?;
    Ok(())
}

/// Adds a version to a plan that is locked.
pub(super) async fn publish(
    connection: &mut PgConnection,
    context: &CommandContext,
    id: PlanId,
    version: &Version,
) -> fault::Result<()> {
    let number: i32 = sqlx::query_scalar(NEXT_VERSION)
        .bind(context.tenant.as_uuid())
        .bind(id.as_uuid())
        .bind(context.at.to_sqlx())
        .fetch_one(&mut *connection)
        .await
        .map_err(storage)?;
    write_version(connection, context, (id, number), version).await
}

async fn write_version(
    connection: &mut PgConnection,
    context: &CommandContext,
    (id, number): (PlanId, i32),
    version: &Version,
) -> fault::Result<()> {
    let grant = version.grant.as_ref();
    sqlx::query(VERSION)
        .bind(context.tenant.as_uuid())
        .bind(id.as_uuid())
        .bind(number)
        .bind(i32::from(version.trial_days))
        .bind(&version.tax_class)
        .bind(grant.map(|grant| grant.units))
        .bind(grant.is_some_and(|grant| grant.rest == Rest::RollsOver))
        .bind(Json(&version.features))
        .bind(&version.access_levels)
        .bind(context.at.to_sqlx())
        .execute(&mut *connection)
        .await
        .map_err(storage)?;
    write_prices(connection, context.tenant, (id, number), version).await
}

async fn write_prices(
    connection: &mut PgConnection,
    tenant: TenantId,
    (id, number): (PlanId, i32),
    version: &Version,
) -> fault::Result<()> {
    let prices = || version.prices.iter();
    let counts = prices().map(|price| i16::try_from(price.period.count()));
    sqlx::query(PRICES)
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .bind(number)
        .bind(prices().map(|_| PriceId::new().as_uuid()).collect::<Vec<_>>())
        .bind(prices().map(|price| unit_name(price.period.unit())).collect::<Vec<_>>())
        .bind(counts.collect::<Result<Vec<_>, _>>().map_err(Fault::internal)?)
        .bind(prices().map(|price| price.price.currency().code().to_owned()).collect::<Vec<_>>())
        .bind(prices().map(|price| price.price.minor()).collect::<Vec<_>>())
        .bind(prices().map(|price| price.setup_fee.map(money::Money::minor)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(storage)?;
    Ok(())
}

/// The plans that an add-on goes with must be there, and plans.
async fn must_exist(connection: &mut PgConnection, tenant: TenantId, plans: &[PlanId]) -> fault::Result<()> {
    let missing: Option<Uuid> = sqlx::query_scalar(
        "SELECT wanted FROM unnest($2::uuid[]) AS wanted WHERE NOT EXISTS ( \
           SELECT FROM plans WHERE tenant_id = $1 AND plan_id = wanted AND kind = 'plan') LIMIT 1",
    )
    .bind(tenant.as_uuid())
    .bind(uuids(plans))
    .fetch_optional(connection)
    .await
    .map_err(storage)?;
    let place = missing.and_then(|missing| plans.iter().position(|plan| plan.as_uuid() == missing));
    match place {
        Some(place) => {
            Err(Fault::invalid(format!("/plan_ids/{place}"), "plan_unknown", "There is no such plan."))
        }
        None => Ok(()),
    }
}

/// The only foreign key that a submission can break is that to its category.
fn written(error: sqlx::Error) -> Fault {
    match &error {
        sqlx::Error::Database(database) if database.is_foreign_key_violation() => {
            Fault::invalid("/category", "category_unknown", "There is no such category.")
        }
        _ => storage(error),
    }
}

fn uuids(plans: &[PlanId]) -> Vec<Uuid> {
    plans.iter().map(|plan| plan.as_uuid()).collect()
}
