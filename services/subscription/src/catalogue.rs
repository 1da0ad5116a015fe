//! The catalogue of a tenant: read from memory, changed in the tables.
//!
//! The list is what anonymous visitors load most, so it is served without SQL. Changes of one plan
//! wait for each other at its row ([`table::lock`]); an editor whose plan has changed since it was
//! read is told so by the revision. A new version takes its number under that lock, so versions
//! have no gaps and no number is given twice; the primary key is the wall behind it.

mod categories;
mod plan;
mod read;
mod table;

use std::sync::Arc;
use std::time::Duration;

use contracts::vbwd::subscription::v1 as proto;
use eventstore::{CommandContext, EventStore};
use fault::{Code, Fault};
use ids::{PlanId, TenantId};
use moka::future::Cache;
use runtime::audit;
use sqlx::PgConnection;
use subscription_domain::catalogue::{Face, Flaw, Kind, Sale, Version};

use crate::grpc::convert::plan_message;

pub use categories::Category;
pub use plan::{Plan, PricedVersion};

/// Tenants kept in memory.
const TENANTS_MAX: u64 = 10_000;

/// The plans of every tenant.
#[derive(Clone)]
pub struct Catalogue {
    pub(crate) store: EventStore,
    lists: Cache<TenantId, Arc<[Plan]>>,
}

/// A plan to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPlan {
    /// Its id.
    pub id: PlanId,
    /// What kind of offer it is.
    pub kind: Kind,
    /// Its name in addresses.
    pub slug: String,
    /// What can be edited later.
    pub face: Face,
    /// Its first version.
    pub version: Version,
    /// Whether it is on sale at once.
    pub sale: Sale,
}

impl Catalogue {
    /// The catalogue in this store; lists are at most `fresh` old.
    #[must_use]
    pub fn new(store: EventStore, fresh: Duration) -> Self {
        Self { store, lists: Cache::builder().max_capacity(TENANTS_MAX).time_to_live(fresh).build() }
    }

    /// Every plan at its latest version, in display order.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn list(&self, tenant: TenantId) -> fault::Result<Arc<[Plan]>> {
        let loaded = self.lists.try_get_with(tenant, self.load(tenant)).await;
        loaded.map_err(|fault: Arc<Fault>| shared(&fault))
    }

    /// The same as it is now.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn list_now(&self, tenant: TenantId) -> fault::Result<Arc<[Plan]>> {
        self.load(tenant).await
    }

    /// Every version of a plan, newest first.
    ///
    /// # Errors
    /// `plan_not_found`; faults of the database.
    pub async fn versions(&self, tenant: TenantId, id: PlanId) -> fault::Result<Vec<PricedVersion>> {
        let mut reading = self.store.read(tenant).await?;
        let versions = read::versions(&mut reading, tenant, id).await?;
        reading.rollback().await.map_err(eventstore::storage)?;
        match versions.is_empty() {
            true => Err(Fault::not_found("plan")),
            false => Ok(versions),
        }
    }

    /// Adds a plan; a repeated operation gets the first answer.
    ///
    /// # Errors
    /// What is wrong with it; `slug_taken`, `category_unknown`, `plan_unknown`;
    /// `operation_id_reused`; faults of the database.
    pub async fn create(
        &self,
        context: &CommandContext,
        body_hash: &[u8; 32],
        new: NewPlan,
    ) -> fault::Result<proto::CreatePlanResponse> {
        let mut flaws = new.face.flaws(new.kind);
        flaws.extend(new.version.flaws(new.kind).into_iter().map(within_version));
        if !subscription_domain::catalogue::is_slug(&new.slug) {
            flaws.push(Flaw { pointer: "/slug".to_owned(), code: "malformed" });
        }
        must_be_sound(&flaws)?;
        let mut unit = self.store.begin(context).await?;
        if let Some(answer) = unit.claim::<proto::CreatePlanResponse>(body_hash).await? {
            unit.rollback().await?;
            return Ok(answer);
        }
        if !table::insert(unit.connection(), context, &new).await? {
            return Err(
                Fault::rejected("slug_taken", "Another plan has this slug.").with_violation("/slug", "taken")
            );
        }
        let plan = read::one(unit.connection(), context.tenant, new.id).await?;
        audit::acted_on(format!("plan/{}", plan.id));
        audit::changed(None, shown(&plan));
        let answer = proto::CreatePlanResponse { plan: Some(plan_message(&plan)) };
        unit.remember(body_hash, &answer).await?;
        unit.commit().await?;
        self.lists.invalidate(&context.tenant).await;
        Ok(answer)
    }

    /// Edits what is no part of a version.
    ///
    /// # Errors
    /// What is wrong with it; `plan_not_found`, `stale_revision`, `category_unknown`,
    /// `plan_unknown`, `draft_again`; faults of the database.
    pub async fn edit(
        &self,
        context: &CommandContext,
        id: PlanId,
        revision: i64,
        (face, sale): (Face, Sale),
    ) -> fault::Result<Plan> {
        let mut unit = self.store.begin(context).await?;
        let before = locked(unit.connection(), context.tenant, id, revision).await?;
        must_be_sound(&face.flaws(before.kind))?;
        if sale == Sale::Draft && before.sale != Sale::Draft {
            return Err(Fault::rejected(
                "draft_again",
                "What was on sale cannot be a draft again; archive it.",
            ));
        }
        table::edit(unit.connection(), context, id, &face, sale).await?;
        let after = read::one(unit.connection(), context.tenant, id).await?;
        audit::changed(shown(&before), shown(&after));
        unit.commit().await?;
        self.lists.invalidate(&context.tenant).await;
        Ok(after)
    }

    /// Publishes a new version; a repeated operation gets the first answer.
    ///
    /// # Errors
    /// What is wrong with it; `plan_not_found`, `stale_revision`, `version_same`;
    /// `operation_id_reused`; faults of the database.
    pub async fn publish(
        &self,
        context: &CommandContext,
        body_hash: &[u8; 32],
        (id, revision): (PlanId, i64),
        version: Version,
    ) -> fault::Result<proto::PublishPlanVersionResponse> {
        let mut unit = self.store.begin(context).await?;
        if let Some(answer) = unit.claim::<proto::PublishPlanVersionResponse>(body_hash).await? {
            unit.rollback().await?;
            return Ok(answer);
        }
        let before = locked(unit.connection(), context.tenant, id, revision).await?;
        let flaws: Vec<_> = version.flaws(before.kind).into_iter().map(within_version).collect();
        must_be_sound(&flaws)?;
        if before.version.says(&version) {
            return Err(Fault::rejected("version_same", "The latest version says the same."));
        }
        table::publish(unit.connection(), context, id, &version).await?;
        let after = read::one(unit.connection(), context.tenant, id).await?;
        audit::changed(shown(&before), shown(&after));
        let answer = proto::PublishPlanVersionResponse { plan: Some(plan_message(&after)) };
        unit.remember(body_hash, &answer).await?;
        unit.commit().await?;
        self.lists.invalidate(&context.tenant).await;
        Ok(answer)
    }

    /// Adds a plan under a chosen id unless it is there; for seeding.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn ensure(&self, context: &CommandContext, new: &NewPlan) -> fault::Result<()> {
        let mut unit = self.store.begin(context).await?;
        table::insert(unit.connection(), context, new).await?;
        unit.commit().await?;
        self.lists.invalidate(&context.tenant).await;
        Ok(())
    }

    async fn load(&self, tenant: TenantId) -> fault::Result<Arc<[Plan]>> {
        let mut reading = self.store.read(tenant).await?;
        let plans = read::all(&mut reading, tenant).await?;
        reading.rollback().await.map_err(eventstore::storage)?;
        Ok(plans.into())
    }
}

/// The plan under its lock, if it still has the revision that was read.
async fn locked(
    connection: &mut PgConnection,
    tenant: TenantId,
    id: PlanId,
    revision: i64,
) -> fault::Result<Plan> {
    table::lock(connection, tenant, id).await?;
    let plan = read::one(connection, tenant, id).await?;
    if plan.revision == revision {
        return Ok(plan);
    }
    Err(Fault::new(Code::StaleRevision, "stale_revision", "The plan has changed since it was read.")
        .with_fact("revision", plan.revision))
}

fn within_version(flaw: Flaw) -> Flaw {
    Flaw { pointer: format!("/version{}", flaw.pointer), ..flaw }
}

/// Invalid input naming every part that is wrong.
pub(crate) fn must_be_sound(flaws: &[Flaw]) -> fault::Result<()> {
    let Some((first, rest)) = flaws.split_first() else { return Ok(()) };
    let fault = Fault::invalid(first.pointer.clone(), first.code, "The submission is not valid.");
    Err(rest.iter().fold(fault, |fault, flaw| fault.with_violation(flaw.pointer.clone(), flaw.code)))
}

/// A fault that several waiting callers share.
fn shared(fault: &Fault) -> Fault {
    Fault::new(fault.code(), fault.reason().to_owned(), fault.message().to_owned())
        .with_source(fault.to_string())
}

/// What the audit trail keeps of a plan.
fn shown(plan: &Plan) -> Option<serde_json::Value> {
    audit::state("vbwd.subscription.v1.Plan", &plan_message(plan))
}
