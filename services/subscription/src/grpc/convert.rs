//! Proto ↔ domain.

use contracts::vbwd::money::v1::Money as MoneyProto;
use contracts::vbwd::subscription::v1 as proto;
use contracts::vbwd::subscription::v1::plan_feature::Value;
use fault::Fault;
use ids::{PlanId, PriceId};
use money::Money;
use subscription_domain::catalogue::{Face, Kind, Price, Promised, Sale, Version};
use subscription_domain::feature::{Feature, Reset};
use subscription_domain::{BillingPeriod, Grant, Rest, Unit};

use crate::catalogue::{Category, NewPlan, Plan, PricedVersion};

/// A submission that cannot even be read at `pointer`.
fn unreadable(pointer: impl Into<String>, code: &'static str) -> Fault {
    Fault::invalid(pointer, code, "The submission is not valid.")
}

/// A plan to add.
pub(crate) fn new_plan(id: PlanId, message: proto::CreatePlanRequest, sale: Sale) -> fault::Result<NewPlan> {
    let kind = match message.kind() {
        proto::PlanKind::Plan => Kind::Plan,
        proto::PlanKind::AddOn => Kind::AddOn,
        proto::PlanKind::Unspecified => return Err(unreadable("/kind", "missing")),
    };
    let face = Face {
        name: message.name,
        description: message.description,
        category: message.category,
        sort_order: message.sort_order,
        plan_ids: plan_ids(&message.plan_ids)?,
    };
    let version = version_body(message.version)?;
    Ok(NewPlan { id, kind, slug: message.slug, face, version, sale })
}

/// What was edited.
pub(crate) fn edited(message: proto::UpdatePlanRequest) -> fault::Result<(Face, Sale)> {
    let sale = match message.status() {
        proto::PlanStatus::Draft => Sale::Draft,
        proto::PlanStatus::Active => Sale::Active,
        proto::PlanStatus::Archived => Sale::Archived,
        proto::PlanStatus::Unspecified => return Err(unreadable("/status", "missing")),
    };
    let face = Face {
        name: message.name,
        description: message.description,
        category: message.category,
        sort_order: message.sort_order,
        plan_ids: plan_ids(&message.plan_ids)?,
    };
    Ok((face, sale))
}

fn plan_ids(texts: &[String]) -> fault::Result<Vec<PlanId>> {
    let read = |(place, text): (usize, &String)| {
        text.parse().map_err(|_| unreadable(format!("/plan_ids/{place}"), "plan_unknown"))
    };
    texts.iter().enumerate().map(read).collect()
}

/// What a version says.
pub(crate) fn version_body(message: Option<proto::VersionBody>) -> fault::Result<Version> {
    let message = message.ok_or_else(|| unreadable("/version", "missing"))?;
    let prices = message.prices.iter().enumerate().map(|(place, price)| read_price(place, price));
    let features = message.features.into_iter().enumerate().map(|(place, one)| read_feature(place, one));
    let grant = message.grant.map(|grant| Grant { units: grant.units, rest: rest(grant.rolls_over) });
    Ok(Version {
        prices: prices.collect::<fault::Result<_>>()?,
        trial_days: u16::try_from(message.trial_days)
            .map_err(|_| unreadable("/version/trial_days", "out_of_range"))?,
        tax_class: message.tax_class,
        grant,
        features: features.collect::<fault::Result<_>>()?,
        access_levels: message.access_levels,
    })
}

fn read_price(place: usize, message: &proto::PlanPrice) -> fault::Result<Price> {
    let at = |part: &str| format!("/version/prices/{place}/{part}");
    let unit = match message.period_unit() {
        proto::PeriodUnit::Day => Unit::Day,
        proto::PeriodUnit::Week => Unit::Week,
        proto::PeriodUnit::Month => Unit::Month,
        proto::PeriodUnit::Quarter => Unit::Quarter,
        proto::PeriodUnit::Year => Unit::Year,
        proto::PeriodUnit::Unspecified => return Err(unreadable(at("period_unit"), "missing")),
    };
    let count = u16::try_from(message.period_count).ok();
    let period = count.and_then(|count| BillingPeriod::new(unit, count).ok());
    let price = message.price.as_ref().ok_or_else(|| unreadable(at("price"), "missing"))?;
    let fee = message.setup_fee.as_ref();
    Ok(Price {
        period: period.ok_or_else(|| unreadable(at("period_count"), "out_of_range"))?,
        price: read_money(price).ok_or_else(|| unreadable(at("price/currency"), "currency_unknown"))?,
        setup_fee: match fee.map(read_money) {
            Some(None) => return Err(unreadable(at("setup_fee/currency"), "currency_unknown")),
            known => known.flatten(),
        },
    })
}

fn read_money(message: &MoneyProto) -> Option<Money> {
    message.currency.parse().ok().map(|currency| Money::new(message.minor, currency))
}

fn read_feature(place: usize, message: proto::PlanFeature) -> fault::Result<Promised> {
    let at = |part: &str| format!("/version/features/{place}/{part}");
    let feature = match message.value.ok_or_else(|| unreadable(at("value"), "missing"))? {
        Value::Switch(on) => Feature::Switch { on },
        Value::Limit(limit) => Feature::Limit { most: limit.most },
        Value::Choice(choice) => Feature::Choice { value: choice.value, rank: choice.rank },
        Value::Quota(quota) => {
            let reset = match quota.reset() {
                proto::QuotaReset::Period => Reset::Period,
                proto::QuotaReset::Month => Reset::Month,
                proto::QuotaReset::Day => Reset::Day,
                proto::QuotaReset::Never => Reset::Never,
                proto::QuotaReset::Unspecified => return Err(unreadable(at("quota/reset"), "missing")),
            };
            Feature::Quota { most: quota.most, reset }
        }
    };
    Ok(Promised { key: message.key, feature })
}

const fn rest(rolls_over: bool) -> Rest {
    if rolls_over { Rest::RollsOver } else { Rest::Expires }
}

/// A category on the wire.
pub(crate) fn category_message(category: &Category) -> proto::PlanCategory {
    let Category { slug, name, exclusive, sort_order } = category.clone();
    proto::PlanCategory { slug, name, exclusive, sort_order }
}

/// A plan on the wire.
pub(crate) fn plan_message(plan: &Plan) -> proto::Plan {
    let kind = match plan.kind {
        Kind::Plan => proto::PlanKind::Plan,
        Kind::AddOn => proto::PlanKind::AddOn,
    };
    let status = match plan.sale {
        Sale::Draft => proto::PlanStatus::Draft,
        Sale::Active => proto::PlanStatus::Active,
        Sale::Archived => proto::PlanStatus::Archived,
    };
    proto::Plan {
        plan_id: plan.id.to_string(),
        kind: kind.into(),
        slug: plan.slug.clone(),
        name: plan.face.name.clone(),
        description: plan.face.description.clone(),
        category: plan.face.category.clone(),
        status: status.into(),
        sort_order: plan.face.sort_order,
        plan_ids: plan.face.plan_ids.iter().map(PlanId::to_string).collect(),
        version: Some(version_message(&plan.version)),
        revision: plan.revision,
    }
}

/// A version on the wire.
pub(crate) fn version_message(version: &PricedVersion) -> proto::PlanVersion {
    let body = &version.body;
    let grant = body
        .grant
        .as_ref()
        .map(|grant| proto::TokenGrant { units: grant.units, rolls_over: grant.rest == Rest::RollsOver });
    proto::PlanVersion {
        version: version.number,
        body: Some(proto::VersionBody {
            prices: version.prices().map(price_message).collect(),
            trial_days: i32::from(body.trial_days),
            tax_class: body.tax_class.clone(),
            grant,
            features: body.features.iter().map(feature_message).collect(),
            access_levels: body.access_levels.clone(),
        }),
        published_at: Some(timestamp(version.published_at)),
    }
}

fn price_message((id, price): (PriceId, &Price)) -> proto::PlanPrice {
    let unit = match price.period.unit() {
        Unit::Day => proto::PeriodUnit::Day,
        Unit::Week => proto::PeriodUnit::Week,
        Unit::Month => proto::PeriodUnit::Month,
        Unit::Quarter => proto::PeriodUnit::Quarter,
        Unit::Year => proto::PeriodUnit::Year,
    };
    proto::PlanPrice {
        price_id: id.to_string(),
        period_unit: unit.into(),
        period_count: i32::from(price.period.count()),
        price: Some(money_message(price.price)),
        setup_fee: price.setup_fee.map(money_message),
    }
}

fn timestamp(at: jiff::Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

fn money_message(money: Money) -> MoneyProto {
    MoneyProto { minor: money.minor(), currency: money.currency().code().to_owned() }
}

fn feature_message(promised: &Promised) -> proto::PlanFeature {
    let value = match &promised.feature {
        Feature::Switch { on } => Value::Switch(*on),
        Feature::Limit { most } => Value::Limit(proto::FeatureLimit { most: *most }),
        Feature::Quota { most, reset } => {
            let reset = match reset {
                Reset::Period => proto::QuotaReset::Period,
                Reset::Month => proto::QuotaReset::Month,
                Reset::Day => proto::QuotaReset::Day,
                Reset::Never => proto::QuotaReset::Never,
            };
            Value::Quota(proto::FeatureQuota { most: *most, reset: reset.into() })
        }
        Feature::Choice { value, rank } => {
            Value::Choice(proto::FeatureChoice { value: value.clone(), rank: *rank })
        }
    };
    proto::PlanFeature { key: promised.key.clone(), value: Some(value) }
}
