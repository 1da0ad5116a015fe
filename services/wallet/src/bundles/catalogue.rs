//! The catalogue of a tenant: read from memory, changed in the tables.
//!
//! The list is what anonymous visitors load most, so it is served without SQL. A change by this
//! process shows at once; one by another replica within a second.

use std::sync::Arc;
use std::time::Duration;

use contracts::vbwd::wallet::v1::CreateTokenBundleResponse;
use eventstore::CommandContext;
use ids::{BundleId, TenantId};
use moka::future::Cache;
use runtime::audit;
use sqlx::PgConnection;

use super::{Bundle, BundleBody, table};
use crate::grpc::bundle_message;
use crate::store::Store;

/// How old the list may be.
const FRESH: Duration = Duration::from_secs(1);
/// Tenants kept in memory.
const TENANTS_MAX: u64 = 10_000;

/// The token bundles of every tenant.
#[derive(Clone)]
pub struct Catalogue {
    store: Store,
    lists: Cache<TenantId, Arc<[Bundle]>>,
}

impl Catalogue {
    /// The catalogue in this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, lists: Cache::builder().max_capacity(TENANTS_MAX).time_to_live(FRESH).build() }
    }

    /// All bundles that are kept, in display order, at most a second old.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn list(&self, tenant: TenantId) -> fault::Result<Arc<[Bundle]>> {
        let loaded = self.lists.try_get_with(tenant, self.load(tenant)).await;
        loaded.map_err(|fault: Arc<fault::Fault>| shared(&fault))
    }

    /// One bundle, active or not, at most a second old.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn find(&self, tenant: TenantId, id: BundleId) -> fault::Result<Option<Bundle>> {
        Ok(self.list(tenant).await?.iter().find(|bundle| bundle.id == id).cloned())
    }

    /// All bundles as they are now.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn list_now(&self, tenant: TenantId) -> fault::Result<Arc<[Bundle]>> {
        self.load(tenant).await
    }

    /// Adds a bundle; a repeated operation gets the first answer.
    ///
    /// # Errors
    /// An invalid bundle, `operation_id_reused`, or faults of the database.
    pub async fn create(
        &self,
        context: &CommandContext,
        body_hash: &[u8; 32],
        body: BundleBody,
    ) -> fault::Result<CreateTokenBundleResponse> {
        body.check()?;
        let mut unit = self.store.begin(context).await?;
        if let Some(answer) = unit.claim::<CreateTokenBundleResponse>(body_hash).await? {
            unit.rollback().await?;
            return Ok(answer);
        }
        let bundle = Bundle { id: BundleId::new(), body, revision: 1 };
        table::insert(unit.connection(), context.tenant, bundle.id, &bundle.body, context.at).await?;
        audit::acted_on(format!("bundle/{}", bundle.id));
        audit::changed(None, shown(&bundle));
        let answer = CreateTokenBundleResponse { bundle: Some(bundle_message(&bundle)) };
        unit.remember(body_hash, &answer).await?;
        unit.commit().await?;
        self.lists.invalidate(&context.tenant).await;
        Ok(answer)
    }

    /// Replaces a bundle whose revision is still the one in `bundle`.
    ///
    /// # Errors
    /// An invalid bundle, `bundle_not_found`, `stale_revision`, or faults of the database.
    pub async fn update(&self, context: &CommandContext, mut bundle: Bundle) -> fault::Result<Bundle> {
        bundle.body.check()?;
        let mut unit = self.store.begin(context).await?;
        let before = listed(unit.connection(), context.tenant, bundle.id).await?;
        bundle.revision = table::update(unit.connection(), context.tenant, &bundle, context.at).await?;
        audit::changed(before.as_ref().and_then(shown), shown(&bundle));
        unit.commit().await?;
        self.lists.invalidate(&context.tenant).await;
        Ok(bundle)
    }

    /// Takes a bundle from sale for good.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn delete(&self, context: &CommandContext, id: BundleId) -> fault::Result<()> {
        let mut unit = self.store.begin(context).await?;
        let before = listed(unit.connection(), context.tenant, id).await?;
        audit::changed(before.as_ref().and_then(shown), None);
        table::delete(unit.connection(), context.tenant, id, context.at).await?;
        unit.commit().await?;
        self.lists.invalidate(&context.tenant).await;
        Ok(())
    }

    /// Adds a bundle under a chosen id unless it is there; for seeding.
    ///
    /// # Errors
    /// An invalid bundle, or faults of the database.
    pub async fn ensure(
        &self,
        context: &CommandContext,
        id: BundleId,
        body: &BundleBody,
    ) -> fault::Result<()> {
        body.check()?;
        let mut unit = self.store.begin(context).await?;
        table::insert(unit.connection(), context.tenant, id, body, context.at).await?;
        unit.commit().await?;
        self.lists.invalidate(&context.tenant).await;
        Ok(())
    }

    async fn load(&self, tenant: TenantId) -> fault::Result<Arc<[Bundle]>> {
        let mut reading = self.store.read(tenant).await?;
        let bundles = table::list(&mut reading, tenant).await?;
        reading.rollback().await.map_err(eventstore::storage)?;
        Ok(bundles.into())
    }
}

/// A fault that several waiting callers share.
fn shared(fault: &fault::Fault) -> fault::Fault {
    fault::Fault::new(fault.code(), fault.reason().to_owned(), fault.message().to_owned())
        .with_source(fault.to_string())
}

/// A bundle that was not deleted, as it is now.
async fn listed(on: &mut PgConnection, tenant: TenantId, id: BundleId) -> fault::Result<Option<Bundle>> {
    Ok(table::list(on, tenant).await?.into_iter().find(|bundle| bundle.id == id))
}

/// What the audit trail keeps of a bundle.
fn shown(bundle: &Bundle) -> Option<serde_json::Value> {
    audit::state("vbwd.wallet.v1.TokenBundle", &bundle_message(bundle))
}
