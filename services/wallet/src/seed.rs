//! Something to look at: a few bundles of the demo tenant.

use std::sync::Arc;

use eventstore::CommandContext;
use ids::{BundleId, OperationId, TenantId};
use money::{Currency, Money};
use runtime::Platform;

use crate::bundles::{BundleBody, Catalogue};
use crate::store::Store;
use crate::{Config, NAME};

/// Name, tokens, cents in EUR and USD.
const BUNDLES: [(&str, i64, i64); 4] = [
    ("100 tokens", 100, 199),
    ("500 tokens", 500, 899),
    ("1 000 tokens", 1_000, 1_699),
    ("5 000 tokens", 5_000, 7_499),
];

/// Puts the demo bundles into a tenant's catalogue; safe to repeat.
///
/// # Errors
/// When the database does not answer.
pub async fn seed_demo(platform: &Platform, config: &Config, tenant: TenantId) -> fault::Result<()> {
    config.validate()?;
    let catalogue = Catalogue::new(Store::new(platform.pool(NAME)?));
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
    for (sort_order, (name, tokens, cents)) in (1..).zip(BUNDLES) {
        let body = BundleBody {
            name: name.to_owned(),
            description: format!("{name} for your wallet."),
            tokens,
            prices: vec![Money::new(cents, Currency::EUR), Money::new(cents, Currency::USD)],
            active: true,
            sort_order,
        };
        let id = BundleId::derived(&["demo", &tenant.to_string(), name]);
        catalogue.ensure(&context, id, &body).await?;
    }
    Ok(())
}
