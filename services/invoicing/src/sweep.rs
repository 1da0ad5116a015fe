//! The sweep: looks at open invoices whose time has come.
//!
//! An invoice is due for a look when its pending payment has been silent for a while (an event may
//! have been lost) and when its payment window has ended. The look asks payments first, so money
//! that has arrived is never overlooked, and voids what is overdue then. `attend_at` is a durable
//! row: any number of replicas may sweep, what one has done is refused or repeated without effect
//! by the invoice, and after an outage everything overdue is found at once. How much is asked of
//! payments is bounded by batch and interval.

use std::sync::Arc;
use std::time::Duration;

use eventstore::storage;
use fault::Code;
use ids::{InvoiceId, TenantId};
use invoicing_domain::{AttemptOutcome, Invoice, InvoiceCommand, Status, Void};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use runtime::Drain;
use uuid::Uuid;

use crate::book::Book;
use crate::collection;
use crate::metrics;
use crate::payments::Payments;
use crate::projections::invoices;

/// Every tenant with something to attend to, by hopping along the index.
const TENANTS: &str = "WITH RECURSIVE tenants AS ( \
       (SELECT tenant_id FROM invoices WHERE attend_at IS NOT NULL ORDER BY tenant_id LIMIT 1) \
       UNION ALL \
       SELECT (SELECT i.tenant_id FROM invoices i WHERE i.attend_at IS NOT NULL \
           AND i.tenant_id > tenants.tenant_id ORDER BY i.tenant_id LIMIT 1) \
       FROM tenants WHERE tenants.tenant_id IS NOT NULL) \
     SELECT tenant_id FROM tenants WHERE tenant_id IS NOT NULL";

const DUE: &str = "SELECT invoice_id FROM invoices WHERE tenant_id = $1 AND attend_at <= $2 \
     ORDER BY attend_at LIMIT $3";

/// Looks after open invoices.
#[derive(Clone)]
pub(crate) struct Sweep {
    pub book: Book,
    pub payments: Arc<Payments>,
    pub interval: Duration,
    pub batch_max: u16,
}

impl Sweep {
    /// Sweeps until told to stop.
    pub(crate) async fn run(self, drain: Drain) -> fault::Result<()> {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while drain.run_until_cancelled(ticks.tick()).await.is_some() {
            self.sweep(&drain).await?;
        }
        Ok(())
    }

    /// One look through everything that is due; a tenant's own clock says what is. An invoice that
    /// cannot be attended to, nor even put off, does not keep the others waiting.
    pub(crate) async fn sweep(&self, drain: &Drain) -> fault::Result<()> {
        for tenant in self.tenants().await? {
            for invoice in self.due(tenant).await? {
                if drain.is_cancelled() {
                    return Ok(());
                }
                if let Err(fault) = self.attend(tenant, invoice).await {
                    tracing::warn!(%tenant, %invoice, ?fault, "an open invoice could not be attended to");
                    metrics::swept("trouble");
                    if let Err(fault) = self.later(tenant, invoice).await {
                        tracing::warn!(%tenant, %invoice, ?fault, "nor could it be put off");
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at one invoice.
    async fn attend(&self, tenant: TenantId, id: InvoiceId) -> fault::Result<()> {
        let context = self.book.on_own_account(tenant, id);
        let invoice = self.book.load(tenant, id).await?;
        let mut commands = self.news(&context, &invoice.state).await?;
        let overdue = invoice.state.opened().is_some_and(|opened| opened.due_at <= context.at);
        let paid = commands.iter().any(|command| matches!(command, InvoiceCommand::RecordPayment(_)));
        if overdue && !paid {
            commands.push(InvoiceCommand::Void(Void { reason: "expired".to_owned() }));
        }
        metrics::swept(if paid {
            "paid"
        } else if overdue {
            "overdue"
        } else {
            "waiting"
        });
        match self.book.execute(&context, id, &commands).await {
            // Somebody else was faster; whatever the invoice is now, it was attended to.
            Err(fault) if fault.code() == Code::Rejected => {
                tracing::info!(%tenant, invoice = %id, ?fault, "the sweep came too late");
            }
            outcome => drop(outcome?),
        }
        self.later(tenant, id).await
    }

    /// What payments knows about pending attempts that the invoice does not.
    async fn news(
        &self,
        context: &eventstore::CommandContext,
        invoice: &Invoice,
    ) -> fault::Result<Vec<InvoiceCommand>> {
        let mut commands = Vec::new();
        if invoice.status() != Status::Open {
            return Ok(commands);
        }
        let pending = invoice.attempts().iter().filter(|attempt| attempt.outcome == AttemptOutcome::Pending);
        for attempt in pending {
            if let Some(payment) = self.payments.fetch(context, attempt.payment_id).await? {
                commands.extend(collection::outcome(&payment, attempt.payment_id)?);
            }
        }
        Ok(commands)
    }

    /// The next look at an invoice that is still open; at the latest when it is due.
    async fn later(&self, tenant: TenantId, id: InvoiceId) -> fault::Result<()> {
        let context = self.book.on_own_account(tenant, id);
        let invoice = self.book.load(tenant, id).await?;
        let Some(attend_at) = invoices::attend_at(&invoice.state, context.at, self.book.check_after) else {
            return Ok(());
        };
        let soonest = context.at.saturating_add(self.book.check_after).unwrap_or(attend_at);
        let mut unit = self.book.store.begin(&context).await?;
        let attend_at = if attend_at <= context.at { soonest } else { attend_at };
        invoices::attend_later(unit.connection(), tenant, id, attend_at).await?;
        unit.commit().await.map(drop)
    }

    async fn tenants(&self) -> fault::Result<Vec<TenantId>> {
        let mut unit = self.book.store.begin_worker(None).await?;
        let tenants: Vec<Uuid> =
            sqlx::query_scalar(TENANTS).fetch_all(unit.connection()).await.map_err(storage)?;
        unit.rollback().await?;
        Ok(tenants.into_iter().map(TenantId::from_uuid).collect())
    }

    async fn due(&self, tenant: TenantId) -> fault::Result<Vec<InvoiceId>> {
        let now: Timestamp = self.book.clock.now(tenant);
        let mut transaction = self.book.store.read(tenant).await?;
        let due: Vec<Uuid> = sqlx::query_scalar(DUE)
            .bind(tenant.as_uuid())
            .bind(now.to_sqlx())
            .bind(i64::from(self.batch_max))
            .fetch_all(&mut *transaction)
            .await
            .map_err(storage)?;
        transaction.rollback().await.map_err(storage)?;
        Ok(due.into_iter().map(InvoiceId::from_uuid).collect())
    }
}
