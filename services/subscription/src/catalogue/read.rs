//! Reading plans with their versions and prices: two statements, however many there are.

use std::collections::HashMap;

use eventstore::storage;
use fault::Fault;
use ids::{PlanId, PriceId, TenantId};
use money::{Currency, Money};
use sqlx::PgConnection;
use sqlx::types::Json;
use subscription_domain::catalogue::{Face, Kind, Price, Promised, Sale, Version};
use subscription_domain::{BillingPeriod, Grant, Rest, Unit};
use uuid::Uuid;

use super::{Plan, PricedVersion};

const PLANS: &str = "SELECT p.plan_id, p.kind, p.slug, p.name, p.description, coalesce(p.category, '') AS category, \
      p.status, p.sort_order, p.plan_ids, p.revision, v.version, v.trial_days, v.tax_class, v.grant_units, \
      v.grant_stays, v.features, v.access_levels, v.published_at \
    FROM plans p JOIN plan_versions v USING (tenant_id, plan_id, version) \
    WHERE p.tenant_id = $1 AND ($2::uuid IS NULL OR p.plan_id = $2) ORDER BY p.sort_order, p.name, p.plan_id";

const VERSIONS: &str = "SELECT plan_id, version, trial_days, tax_class, grant_units, grant_stays, features, \
      access_levels, published_at FROM plan_versions WHERE tenant_id = $1 AND plan_id = $2 ORDER BY version DESC";

const LATEST_PRICES: &str = "SELECT p.price_id, p.plan_id, p.version, p.unit, p.count, p.currency, p.price_minor, \
      p.setup_fee_minor \
    FROM plan_prices p JOIN plans USING (tenant_id, plan_id, version) \
    WHERE p.tenant_id = $1 AND ($2::uuid IS NULL OR p.plan_id = $2) ORDER BY p.place";

const PRICES_OF_PLAN: &str = "SELECT price_id, plan_id, version, unit, count, currency, price_minor, setup_fee_minor \
    FROM plan_prices WHERE tenant_id = $1 AND plan_id = $2 ORDER BY place";

/// Prices by plan and version.
type Prices = HashMap<(Uuid, i32), Vec<(PriceId, Price)>>;

#[derive(sqlx::FromRow)]
struct PlanRow {
    kind: String,
    slug: String,
    name: String,
    description: String,
    category: String,
    status: String,
    sort_order: i32,
    plan_ids: Vec<Uuid>,
    revision: i64,
    #[sqlx(flatten)]
    version: VersionRow,
}

#[derive(sqlx::FromRow)]
struct VersionRow {
    plan_id: Uuid,
    version: i32,
    trial_days: i32,
    tax_class: String,
    grant_units: Option<i64>,
    grant_stays: bool,
    features: Json<Vec<Promised>>,
    access_levels: Vec<String>,
    published_at: jiff_sqlx::Timestamp,
}

#[derive(sqlx::FromRow)]
struct PriceRow {
    price_id: Uuid,
    plan_id: Uuid,
    version: i32,
    unit: String,
    count: i16,
    currency: String,
    price_minor: i64,
    setup_fee_minor: Option<i64>,
}

/// Every plan at its latest version, in display order.
pub(super) async fn all(on: &mut PgConnection, tenant: TenantId) -> fault::Result<Vec<Plan>> {
    plans(on, tenant, None).await
}

/// One plan at its latest version.
pub(super) async fn one(on: &mut PgConnection, tenant: TenantId, id: PlanId) -> fault::Result<Plan> {
    plans(on, tenant, Some(id)).await?.pop().ok_or_else(|| Fault::not_found("plan"))
}

/// Every version of a plan, newest first.
pub(super) async fn versions(
    on: &mut PgConnection,
    tenant: TenantId,
    id: PlanId,
) -> fault::Result<Vec<PricedVersion>> {
    let rows: Vec<VersionRow> = sqlx::query_as(VERSIONS)
        .bind(tenant.as_uuid())
        .bind(id.as_uuid())
        .fetch_all(&mut *on)
        .await
        .map_err(storage)?;
    let mut prices = prices(on, PRICES_OF_PLAN, tenant, Some(id)).await?;
    rows.into_iter().map(|row| version(row, &mut prices)).collect()
}

async fn plans(on: &mut PgConnection, tenant: TenantId, only: Option<PlanId>) -> fault::Result<Vec<Plan>> {
    let rows: Vec<PlanRow> = sqlx::query_as(PLANS)
        .bind(tenant.as_uuid())
        .bind(only.map(PlanId::as_uuid))
        .fetch_all(&mut *on)
        .await
        .map_err(storage)?;
    let mut prices = prices(on, LATEST_PRICES, tenant, only).await?;
    rows.into_iter().map(|row| plan(row, &mut prices)).collect()
}

async fn prices(
    on: &mut PgConnection,
    statement: &'static str,
    tenant: TenantId,
    only: Option<PlanId>,
) -> fault::Result<Prices> {
    let rows: Vec<PriceRow> = sqlx::query_as(statement)
        .bind(tenant.as_uuid())
        .bind(only.map(PlanId::as_uuid))
        .fetch_all(on)
        .await
        .map_err(storage)?;
    let mut prices = Prices::new();
    for row in rows {
        let key = (row.plan_id, row.version);
        prices.entry(key).or_default().push((PriceId::from_uuid(row.price_id), price(&row)?));
    }
    Ok(prices)
}

fn plan(row: PlanRow, prices: &mut Prices) -> fault::Result<Plan> {
    let face = Face {
        name: row.name,
        description: row.description,
        category: row.category,
        sort_order: row.sort_order,
        plan_ids: row.plan_ids.into_iter().map(PlanId::from_uuid).collect(),
    };
    Ok(Plan {
        id: PlanId::from_uuid(row.version.plan_id),
        kind: kind(&row.kind)?,
        slug: row.slug,
        face,
        sale: sale(&row.status)?,
        version: version(row.version, prices)?,
        revision: row.revision,
    })
}

fn version(row: VersionRow, prices: &mut Prices) -> fault::Result<PricedVersion> {
    let priced = prices.remove(&(row.plan_id, row.version)).unwrap_or_default();
    let (price_ids, prices) = priced.into_iter().unzip();
    let rest = if row.grant_stays { Rest::RollsOver } else { Rest::Expires };
    let body = Version {
        prices,
        trial_days: u16::try_from(row.trial_days).map_err(Fault::internal)?,
        tax_class: row.tax_class,
        grant: row.grant_units.map(|units| Grant { units, rest }),
        features: row.features.0,
        access_levels: row.access_levels,
    };
    Ok(PricedVersion { number: row.version, body, price_ids, published_at: row.published_at.to_jiff() })
}

fn price(row: &PriceRow) -> fault::Result<Price> {
    let currency: Currency = row.currency.parse().map_err(Fault::internal)?;
    let count = u16::try_from(row.count).map_err(Fault::internal)?;
    Ok(Price {
        period: BillingPeriod::new(unit(&row.unit)?, count).map_err(Fault::internal)?,
        price: Money::new(row.price_minor, currency),
        setup_fee: row.setup_fee_minor.map(|minor| Money::new(minor, currency)),
    })
}

/// A unit as it is stored.
pub(super) const fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Day => "day",
        Unit::Week => "week",
        Unit::Month => "month",
        Unit::Quarter => "quarter",
        Unit::Year => "year",
    }
}

fn unit(name: &str) -> fault::Result<Unit> {
    let all = [Unit::Day, Unit::Week, Unit::Month, Unit::Quarter, Unit::Year];
    stored(all, name, unit_name)
}

fn kind(name: &str) -> fault::Result<Kind> {
    stored([Kind::Plan, Kind::AddOn], name, Kind::name)
}

fn sale(name: &str) -> fault::Result<Sale> {
    stored([Sale::Draft, Sale::Active, Sale::Archived], name, Sale::name)
}

fn stored<T: Copy, const N: usize>(all: [T; N], name: &str, of: fn(T) -> &'static str) -> fault::Result<T> {
    let found = all.into_iter().find(|one| of(*one) == name);
    found.ok_or_else(|| Fault::internal(format!("unknown word {name} in the catalogue")))
}
