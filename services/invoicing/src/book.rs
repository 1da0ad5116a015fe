//! Commands on one invoice: load, decide, append, project, in one commit.

use std::sync::Arc;

use eventstore::{CommandContext, EventStore, Loaded, UnitOfWork, retry_stale};
use fault::Code;
use ids::{InvoiceId, OperationId, TenantId};
use invoicing_domain::{Invoice, InvoiceCommand};
use jiff::SignedDuration;
use kernel::{Aggregate, Clock, StoredEvent};

use crate::grpc::convert::rejected;
use crate::projections::invoices;

/// How often a command is run again when it loses a race.
const ATTEMPTS: usize = 8;

/// The book of invoices.
#[derive(Clone)]
pub(crate) struct Book {
    pub store: EventStore,
    pub clock: Arc<dyn Clock>,
    pub check_after: SignedDuration,
}

impl Book {
    /// Reads one invoice.
    pub(crate) async fn load(&self, tenant: TenantId, id: InvoiceId) -> fault::Result<Loaded<Invoice>> {
        self.store.load(tenant, id.as_uuid()).await
    }

    /// Runs commands on one invoice in a commit of their own.
    pub(crate) async fn execute(
        &self,
        context: &CommandContext,
        id: InvoiceId,
        commands: &[InvoiceCommand],
    ) -> fault::Result<Loaded<Invoice>> {
        retry_stale(ATTEMPTS, || async {
            let mut unit = self.store.begin(context).await?;
            let invoice = self.apply(&mut unit, id, commands).await?;
            unit.commit().await?;
            Ok(invoice)
        })
        .await
    }

    /// Runs commands on an invoice as it was read a moment ago; reads it again only if it has
    /// changed since.
    pub(crate) async fn execute_on(
        &self,
        context: &CommandContext,
        invoice: &Loaded<Invoice>,
        commands: &[InvoiceCommand],
    ) -> fault::Result<()> {
        let mut unit = self.store.begin(context).await?;
        match self.apply_to(&mut unit, &mut invoice.clone(), commands).await {
            Ok(()) => unit.commit().await.map(drop),
            Err(fault) if fault.code() == Code::StaleRevision => {
                unit.rollback().await?;
                self.execute(context, InvoiceId::from_uuid(invoice.id), commands).await.map(drop)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Runs commands on one invoice within `unit`.
    pub(crate) async fn apply(
        &self,
        unit: &mut UnitOfWork,
        id: InvoiceId,
        commands: &[InvoiceCommand],
    ) -> fault::Result<Loaded<Invoice>> {
        let mut invoice = unit.load::<Invoice>(id.as_uuid()).await?;
        self.apply_to(unit, &mut invoice, commands).await?;
        Ok(invoice)
    }

    /// Runs commands on an invoice that was loaded within `unit`.
    pub(crate) async fn apply_to(
        &self,
        unit: &mut UnitOfWork,
        invoice: &mut Loaded<Invoice>,
        commands: &[InvoiceCommand],
    ) -> fault::Result<()> {
        let (tenant, at) = unit.context().map(|context| (context.tenant, context.at))?;
        let (mut state, mut events) = (invoice.state.clone(), Vec::new());
        for command in commands {
            let decided = state.decide(command.clone(), at).map_err(rejected)?;
            decided.iter().for_each(|event| state.evolve(event));
            events.extend(decided);
        }
        if events.is_empty() {
            return Ok(());
        }
        unit.append(invoice, events).await?;
        let attend_at = invoices::attend_at(&invoice.state, at, self.check_after);
        invoices::update(unit.connection(), tenant, invoice, attend_at).await
    }

    /// The circumstances of what this service does because of `event`; `purpose` tells several
    /// operations of one event apart.
    pub(crate) fn because_of(&self, event: &StoredEvent, purpose: &str) -> CommandContext {
        CommandContext {
            tenant: event.tenant,
            actor: "service:invoicing".to_owned(),
            operation_id: OperationId::derived(&["invoicing", purpose, &event.event_id.to_string()]),
            correlation_id: event.metadata.correlation_id,
            causation_id: Some(event.event_id.as_uuid()),
            traceparent: event.metadata.traceparent.clone(),
            at: self.clock.now(event.tenant),
        }
    }

    /// The circumstances of what this service does on its own account about an invoice.
    pub(crate) fn on_own_account(&self, tenant: TenantId, invoice: InvoiceId) -> CommandContext {
        CommandContext {
            tenant,
            actor: "service:invoicing".to_owned(),
            operation_id: OperationId::new(),
            correlation_id: invoice.as_uuid(),
            causation_id: None,
            traceparent: None,
            at: self.clock.now(tenant),
        }
    }
}
