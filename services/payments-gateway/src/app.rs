//! The use cases, and the two things they share: executing a command and taking a step.
//!
//! A command is one commit: row, events. A step asks the provider *outside* any transaction, with
//! a key that follows from the payment, and then records the answer by another command. Whoever is
//! cut off in between leaves a payment whose next step is the same question with the same key; the
//! reconciler asks it.

mod methods;
mod operate;
mod pay;
mod read;
mod reconcile;
mod settings;
mod setups;
mod step;
mod webhook;

use std::sync::Arc;

use eventstore::{CommandContext, EventStore, Loaded, UnitOfWork, retry_stale};
use fault::Code;
use ids::PaymentId;
use jiff::{SignedDuration, Timestamp};
use kernel::{Aggregate as _, Clock};
use payments_gateway_domain::{Payment, PaymentCommand, PaymentEvent, RefundOutcome, Step, TimeLimits};
use runtime::audit;
use serde_json::{Value, json};

pub(crate) use methods::user;
pub(crate) use settings::Shown;

use crate::health::Health;
use crate::providers::Providers;
use crate::refusal::refused;
use crate::seal::Seal;
use crate::table::{Pace, PaymentRow};
use crate::{Config, NAME};

/// How often a command is repeated that lost a race.
const ATTEMPTS: usize = 8;

/// The use cases of payments.
pub struct Payments {
    pub(crate) store: EventStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) providers: Providers,
    pub(crate) seal: Seal,
    pub(crate) health: Health,
    pub(crate) config: Config,
}

impl Payments {
    /// The use cases over a store, with these providers.
    ///
    /// # Errors
    /// When a setting does not fit.
    pub(crate) fn new(
        store: EventStore,
        clock: Arc<dyn Clock>,
        (providers, seal): (Providers, Seal),
        config: Config,
    ) -> fault::Result<Self> {
        config.validate()?;
        debug_assert_eq!(store.service(), NAME);
        Ok(Self { store, clock, providers, seal, health: Health::default(), config })
    }

    /// Executes a command on a payment that was just read. What we hold may be old: then, and when
    /// the rule says no, it is read again before the answer counts.
    async fn execute(
        &self,
        context: &CommandContext,
        payment: Loaded<Payment>,
        command: PaymentCommand,
    ) -> fault::Result<Loaded<Payment>> {
        let id = payment.id;
        match payment.state.decide(command.clone(), context.at) {
            Ok(events) if events.is_empty() => return Ok(payment),
            Ok(events) => match self.append(context, payment, events).await {
                Err(fault) if fault.code() == Code::StaleRevision => {}
                outcome => return outcome,
            },
            Err(_) => {}
        }
        retry_stale(ATTEMPTS, || self.execute_fresh(context, PaymentId::from_uuid(id), command.clone())).await
    }

    /// Executes a command on a payment as it is now.
    async fn execute_fresh(
        &self,
        context: &CommandContext,
        payment_id: PaymentId,
        command: PaymentCommand,
    ) -> fault::Result<Loaded<Payment>> {
        let mut unit = self.store.begin(context).await?;
        let payment = self.decide_in(&mut unit, payment_id, command).await?;
        unit.commit().await?;
        Ok(payment)
    }

    /// Reads, decides and writes within a unit of work of the caller.
    async fn decide_in(
        &self,
        unit: &mut UnitOfWork,
        payment_id: PaymentId,
        command: PaymentCommand,
    ) -> fault::Result<Loaded<Payment>> {
        let at = unit.context()?.at;
        let mut payment = unit.load::<Payment>(payment_id.as_uuid()).await?;
        let events = payment.state.decide(command, at).map_err(refused)?;
        self.write(unit, &mut payment, events).await?;
        Ok(payment)
    }

    async fn append(
        &self,
        context: &CommandContext,
        mut payment: Loaded<Payment>,
        events: Vec<PaymentEvent>,
    ) -> fault::Result<Loaded<Payment>> {
        let mut unit = self.store.begin(context).await?;
        self.write(&mut unit, &mut payment, events).await?;
        unit.commit().await?;
        Ok(payment)
    }

    /// The row first, then the events: the order in which all writers of a payment wait.
    async fn write(
        &self,
        unit: &mut UnitOfWork,
        payment: &mut Loaded<Payment>,
        events: Vec<PaymentEvent>,
    ) -> fault::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let mut next = payment.state.clone();
        events.iter().for_each(|event| next.evolve(event));
        let revision = payment.revision + i64::try_from(events.len()).unwrap_or(i64::MAX);
        let owner = (unit.context()?.tenant, unit.context()?.correlation_id);
        if let Some(row) = PaymentRow::of(PaymentId::from_uuid(payment.id), &next, revision) {
            row.write(unit.connection(), owner, self.next_check(&next)).await?;
        }
        audit::changed((!payment.is_new()).then(|| shown(&payment.state)), Some(shown(&next)));
        unit.append(payment, events).await?;
        Ok(())
    }

    /// When the reconciler looks after a payment that has just changed; never, once nothing is open.
    fn next_check(&self, payment: &Payment) -> Option<Timestamp> {
        let pause = self.pace().first;
        (payment.step() != Step::Rest)
            .then(|| self.clock.wall().saturating_add(pause).unwrap_or(Timestamp::MAX))
    }

    fn pace(&self) -> Pace {
        let settings = &self.config.reconciler;
        Pace {
            first: SignedDuration::from_millis(settings.first_check_milliseconds.into()),
            longest: SignedDuration::from_secs(settings.pause_seconds_max.into()),
        }
    }

    fn time_limits(&self) -> TimeLimits {
        TimeLimits {
            open: SignedDuration::from_secs(self.config.expire_after_seconds.into()),
            authorized: SignedDuration::from_secs(self.config.authorized_expire_after_seconds.into()),
        }
    }
}

/// What the audit trail keeps of a payment.
fn shown(payment: &Payment) -> Value {
    let refunds = payment.refunds().values().map(|refund| {
        let outcome = match &refund.outcome {
            RefundOutcome::Pending => "pending",
            RefundOutcome::Completed => "completed",
            RefundOutcome::Failed { .. } => "failed",
        };
        json!({ "amount": refund.amount.to_string(), "outcome": outcome })
    });
    let disputes = payment.disputes().values();
    let disputes =
        disputes.map(|dispute| json!({ "amount": dispute.amount.to_string(), "outcome": dispute.outcome }));
    json!({
        "status": payment.status().name(),
        "captured": payment.captured().map(|captured| captured.to_string()),
        "refunds": refunds.collect::<Vec<_>>(),
        "disputes": disputes.collect::<Vec<_>>(),
    })
}
