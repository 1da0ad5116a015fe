//! The consumer that every service has: a tenant was purged, and what the service knows of it goes.
//!
//! The rows and the inbox row go in one transaction, so the news may come twice, late, or to a service that
//! was away, and a crash leaves nothing half done. An event that cannot be handled ends as a dead letter,
//! which an operator sees and replays.

use eventstore::{Retention, WorkerUnit};

use crate::{CloudEvent, Consumer, Limits};

/// Removes what a service knows of purged tenants.
#[derive(Debug, Clone, Copy)]
pub struct OnTenantPurged {
    /// Name of the durable and of the inbox: `invoicing_on_tenant_purged`.
    pub name: &'static str,
    /// What stays.
    pub retention: Retention,
}

impl Consumer for OnTenantPurged {
    fn name(&self) -> &'static str {
        self.name
    }

    fn subjects(&self) -> &'static str {
        "evt.*.identity.tenant.purged.v1"
    }

    /// Few and large: one at a time leaves the pool to those who wait for an answer.
    fn limits(&self) -> Limits {
        Limits { width: 1, ..Limits::default() }
    }

    async fn handle(&self, work: &mut WorkerUnit, event: &CloudEvent) -> fault::Result<()> {
        let (rows, tables) = self.retention.purge(work.connection(), event.tenant).await?;
        tracing::info!(consumer = self.name, tenant = %event.tenant, rows, tables, "a tenant was purged");
        Ok(())
    }
}
