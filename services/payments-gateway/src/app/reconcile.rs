//! The reconciler: asks providers about payments that are open.
//!
//! It is why a webhook that never comes, a provider that was down and a process that was killed
//! between question and record all end the same way: with the provider's answer. Payments are
//! claimed by row (`FOR UPDATE SKIP LOCKED`) and the claim sets the next date, doubling the pause;
//! so any number of replicas share the work, and one that dies costs a pause. Dates are the
//! machine's; whether a payment is overdue is the tenant's time.

use std::time::Duration;

use eventstore::{CommandContext, Loaded};
use futures::stream::{self, StreamExt as _};
use ids::{OperationId, TenantId};
use payments_gateway_domain::{Payment, PaymentCommand, Step};
use runtime::Drain;

use super::Payments;
use crate::metrics;
use crate::table::{self, Found};

impl Payments {
    /// Asks for what is due until told to drain.
    ///
    /// # Errors
    /// When the database cannot be used; the caller starts again.
    pub(crate) async fn run_reconciler(&self, drain: Drain) -> fault::Result<()> {
        let pause = Duration::from_millis(self.config.reconciler.poll_milliseconds.into());
        // Cut off in between, a payment is due again: a provider's silence does not hold up the drain.
        while let Some(claimed) = drain.run_until_cancelled(self.reconcile_due()).await {
            if claimed? == 0 {
                drain.run_until_cancelled(tokio::time::sleep(pause)).await;
            }
        }
        Ok(())
    }

    /// Asks once for what is due now; answers how many payments that were.
    ///
    /// # Errors
    /// When payments cannot be claimed. Trouble with a single payment is logged; it is due again.
    pub async fn reconcile_due(&self) -> fault::Result<usize> {
        let parallel = self.config.reconciler.parallel;
        let mut unit = self.store.begin_worker(None).await?;
        let due = table::claim(unit.connection(), self.clock.wall(), self.pace(), parallel * 4).await?;
        unit.commit().await?;
        let claimed = due.len();
        stream::iter(due).for_each_concurrent(parallel, |found| self.reconcile(found)).await;
        Ok(claimed)
    }

    async fn reconcile(&self, found: Found) {
        let context = CommandContext {
            tenant: found.tenant,
            actor: "service:payments".to_owned(),
            operation_id: OperationId::new(),
            correlation_id: found.correlation_id,
            causation_id: None,
            traceparent: None,
            at: self.clock.now(found.tenant),
        };
        let outcome = match self.settle(&context, found).await {
            Ok(payment) if payment.state.step() == Step::Rest => "settled",
            Ok(_) => "open",
            Err(fault) => {
                tracing::warn!(payment = %found.payment_id, ?fault, "cannot reconcile for now");
                "failed"
            }
        };
        metrics::reconciled(outcome);
    }

    /// What the provider says first; only then, if it is still open, whether its time is over.
    async fn settle(&self, context: &CommandContext, found: Found) -> fault::Result<Loaded<Payment>> {
        let payment = self.store.load::<Payment>(found.tenant, found.payment_id.as_uuid()).await?;
        // A key lives for a day at a provider: an order that old might be a second payment over there.
        let overdue = payment.state.is_overdue(context.at, self.time_limits());
        if overdue && payment.state.step() == Step::Create {
            return self.execute(context, payment, PaymentCommand::Expire { voidable: false }).await;
        }
        let payment = self.take_next_step(context, payment).await?.payment;
        if !payment.state.is_overdue(context.at, self.time_limits()) {
            return Ok(payment);
        }
        let expire = PaymentCommand::Expire { voidable: self.voids(&payment, context.tenant).await? };
        let payment = self.execute(context, payment, expire).await?;
        if payment.state.step() != Step::Void {
            return Ok(payment);
        }
        Ok(self.take_step(context, payment, Step::Void).await?.payment)
    }

    async fn voids(&self, payment: &Loaded<Payment>, tenant: TenantId) -> fault::Result<bool> {
        let Some(terms) = payment.state.terms() else { return Ok(false) };
        let provider = self.providers.find(tenant, &terms.provider).await?;
        Ok(provider.is_some_and(|provider| provider.capabilities().voids))
    }
}
