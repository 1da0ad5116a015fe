//! Something to look at: three plans and an add-on of the demo tenant.

use std::sync::Arc;

use eventstore::{CommandContext, EventStore};
use ids::{OperationId, PlanId, TenantId};
use money::{Currency, Money};
use runtime::Platform;
use subscription_domain::catalogue::{Face, Kind, Price, Promised, Sale, Version};
use subscription_domain::feature::{Feature, Reset};
use subscription_domain::{BillingPeriod, Grant, Rest};

use crate::catalogue::{Catalogue, Category, NewPlan};
use crate::{Config, NAME};

/// Name, what it says, cents a month, tokens a month, messages a month (none: unlimited).
const PLANS: [(&str, &str, i64, i64, Option<i64>); 3] = [
    ("Free", "To look around.", 0, 10, Some(20)),
    ("Pro", "For people who work with it every day.", 1_900, 500, Some(2_000)),
    ("Team", "For everybody in the house, per seat.", 4_900, 2_000, None),
];
const CATEGORY: &str = "membership";
/// Two months of twelve are free.
const MONTHS_OF_A_YEAR: i64 = 10;

/// Puts the demo plans into a tenant's catalogue; safe to repeat.
///
/// # Errors
/// When the database does not answer.
pub async fn seed_demo(platform: &Platform, config: &Config, tenant: TenantId) -> fault::Result<()> {
    config.validate()?;
    let store = EventStore::new(platform.pool(NAME)?, NAME);
    let catalogue = Catalogue::new(store, config.catalogue_fresh());
    let operation_id = OperationId::new();
    let context = CommandContext {
        tenant,
        actor: format!("service:{NAME}"),
        operation_id,
        correlation_id: operation_id.as_uuid(),
        causation_id: None,
        traceparent: None,
        at: Arc::clone(&platform.clock).now(tenant),
    };
    let category =
        Category { slug: CATEGORY.to_owned(), name: "Membership".to_owned(), exclusive: true, sort_order: 1 };
    catalogue.put_category(&context, &category).await?;
    for (sort_order, (name, text, cents, tokens, messages)) in (1..).zip(PLANS) {
        let features = vec![
            promised("chat.messages", Feature::Quota { most: messages, reset: Reset::Period }),
            promised("support.priority", Feature::Switch { on: cents > 0 }),
        ];
        let grant = Some(Grant { units: tokens, rest: Rest::Expires });
        let version =
            Version { trial_days: if cents > 0 { 14 } else { 0 }, grant, ..version(cents, features) };
        catalogue
            .ensure(&context, &offer(tenant, (Kind::Plan, CATEGORY), (name, text), sort_order, version))
            .await?;
    }
    let more = promised("chat.messages", Feature::Quota { most: Some(1_000), reset: Reset::Period });
    let text = "Another thousand messages a month.";
    let add_on = offer(tenant, (Kind::AddOn, ""), ("More messages", text), 10, version(500, vec![more]));
    catalogue.ensure(&context, &add_on).await
}

fn offer(
    tenant: TenantId,
    (kind, category): (Kind, &str),
    (name, text): (&str, &str),
    sort_order: i32,
    version: Version,
) -> NewPlan {
    let slug = name.to_lowercase().replace(' ', "-");
    let face = Face {
        name: name.to_owned(),
        description: text.to_owned(),
        category: category.to_owned(),
        sort_order,
        plan_ids: Vec::new(),
    };
    let id = PlanId::derived(&["demo", &tenant.to_string(), &slug]);
    NewPlan { id, kind, slug, face, version, sale: Sale::Active }
}

fn version(cents: i64, features: Vec<Promised>) -> Version {
    let price =
        |period, minor, currency| Price { period, price: Money::new(minor, currency), setup_fee: None };
    let yearly = cents.saturating_mul(MONTHS_OF_A_YEAR);
    let in_currency = |currency| {
        [price(BillingPeriod::MONTH, cents, currency), price(BillingPeriod::YEAR, yearly, currency)]
    };
    Version {
        prices: [Currency::EUR, Currency::USD].into_iter().flat_map(in_currency).collect(),
        trial_days: 0,
        tax_class: "digital".to_owned(),
        grant: None,
        features,
        access_levels: Vec::new(),
    }
}

fn promised(key: &str, feature: Feature) -> Promised {
    Promised { key: key.to_owned(), feature }
}
