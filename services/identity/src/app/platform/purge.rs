//! The end of a tenant: what identity knows of it goes in one transaction, with the fact that tells other
//! services to do the same. Repeated, late or in several processes at once, it happens once: the lock of
//! the tenant and its status decide.

use auth::Caller;
use eventstore::{CommandContext, Retention};
use ids::TenantId;

use super::locked;
use crate::app::Identity;
use crate::app::user::Cause;
use crate::events::{IdentityEvent, TENANT, TenantNews};
use crate::tables::platform::{self, Profile, TenantStatus};

/// What stays. It names people by id, and with the keys of these people gone it says nothing about them.
const RETENTION: Retention = Retention {
    kept: &[
        ("tenants", "keeps the id from being used again"),
        ("audit_entries", "shows who did what; a chain of hashes that no deletion may break"),
        ("audit_heads", "the end of that chain"),
        ("events", "facts whose personal part is sealed with keys that go"),
        ("streams", "the revision of each stream of facts"),
    ],
    blanked: &[],
};

impl Identity {
    /// Purges tenants whose grace period is over; any number of processes may do it, the lock of the
    /// tenant lets one.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn purge_tenants(&self) -> fault::Result<()> {
        let mut unit = self.store.begin_worker(None).await?;
        let due = platform::due_to_purge(unit.connection(), self.clock.wall()).await?;
        unit.rollback().await?;
        for tenant in due {
            self.purge_tenant(tenant).await?;
        }
        Ok(())
    }

    async fn purge_tenant(&self, tenant: TenantId) -> fault::Result<()> {
        let service = Caller::service(crate::NAME, tenant);
        let context = self.own_context(tenant, &["purge", &tenant.to_string()]);
        let cause = Cause { caller: &service, context: &context };
        let mut unit = self.worker_for(&cause, tenant).await?;
        let before = locked(&mut unit, tenant).await?;
        let due = before.purge_at.is_some_and(|at| at <= self.clock.wall());
        if before.status != TenantStatus::Deleting || !due {
            return Ok(());
        }
        RETENTION.purge(unit.connection(), tenant).await?;
        let after = Profile {
            slug: format!("purged-{}", tenant.as_uuid().simple()),
            name: String::new(),
            status: TenantStatus::Purged,
            suspended_reason: String::new(),
            purge_at: None,
            branding: Default::default(),
            ..before.clone()
        };
        let event = IdentityEvent::TenantPurged(TenantNews {});
        unit.append_fact(TENANT, tenant.as_uuid(), event).await?;
        self.finish_on_tenant(unit, &cause, "tenant.purge", &before, after).await.map(drop)
    }

    /// The circumstances of what identity does by itself; the same `facts` give the same operation.
    pub(in crate::app) fn own_context(&self, tenant: TenantId, facts: &[&str]) -> CommandContext {
        let operation_id = ids::OperationId::derived(facts);
        CommandContext {
            tenant,
            actor: format!("service:{}", crate::NAME),
            operation_id,
            correlation_id: operation_id.as_uuid(),
            causation_id: None,
            traceparent: None,
            at: self.clock.now(tenant),
        }
    }
}
