//! The subscription as an aggregate: which command goes where, and what each event changes.

use jiff::{SignedDuration, Timestamp};
use kernel::Aggregate;
use money::Money;

use crate::commands::SubscriptionCommand;
use crate::decide;
use crate::events::{
    AddOnChanged, CancelReason, Created, Extended, PastDue, Paused, PeriodStarted, PlanChanged, Resumed,
    SubscriptionEvent,
};
use crate::period::Anchor;
use crate::proration::Segment;
use crate::rejection::Rejection;
use crate::state::{
    Agreed, Current, Debt, HeldAddOn, ScheduledCancel, ScheduledChange, Status, Subscription,
};

impl Aggregate for Subscription {
    const KIND: &'static str = "subscription";
    type Command = SubscriptionCommand;
    type Event = SubscriptionEvent;
    type Rejection = Rejection;

    fn decide(
        &self,
        command: SubscriptionCommand,
        at: Timestamp,
    ) -> Result<Vec<SubscriptionEvent>, Rejection> {
        match command {
            SubscriptionCommand::Subscribe(command) => decide::subscribe(self, command, at),
            SubscriptionCommand::PassBoundary => decide::pass_boundary(self, at),
            SubscriptionCommand::RecordPaymentFailed(command) => {
                decide::record_payment_failed(self, command, at)
            }
            SubscriptionCommand::RecordInvoicePaid(invoice) => decide::record_invoice_paid(self, invoice, at),
            SubscriptionCommand::TakeDunningStep(command) => decide::take_dunning_step(self, &command, at),
            SubscriptionCommand::Cancel(command) => decide::cancel(self, command, at),
            SubscriptionCommand::UndoCancel => decide::undo_cancel(self),
            SubscriptionCommand::Pause(command) => decide::pause(self, command, at),
            SubscriptionCommand::Resume => decide::resume(self, at),
            SubscriptionCommand::Change(command) => decide::change(self, command, at),
            SubscriptionCommand::DropScheduledChange => decide::drop_scheduled_change(self),
            SubscriptionCommand::ChangeAddOn(command) => decide::change_add_on(self, command, at),
            SubscriptionCommand::Extend(command) => decide::extend(self, command, at),
            SubscriptionCommand::Restore => decide::restore(self, at),
        }
    }

    fn evolve(&mut self, event: &SubscriptionEvent) {
        match event {
            SubscriptionEvent::Created(event) => self.created(event),
            SubscriptionEvent::TrialStarted(event) => {
                (self.status, self.trial_ends_at) = (Status::Trialing, Some(event.ends_at));
            }
            SubscriptionEvent::Activated(_) => self.status = Status::Active,
            SubscriptionEvent::PeriodStarted(event) => self.period_started(event),
            SubscriptionEvent::PastDue(event) => self.past_due(event),
            SubscriptionEvent::RetryFailed(event) => {
                self.with_debt(|debt| debt.decline = event.decline);
            }
            SubscriptionEvent::DunningStepTaken(event) => {
                self.with_debt(|debt| debt.steps_taken = event.step.saturating_add(1));
            }
            SubscriptionEvent::Recovered(_) => {
                self.debt = None;
                if self.status == Status::PastDue {
                    self.status = Status::Active;
                }
            }
            SubscriptionEvent::CancelScheduled(event) => {
                let (ends_at, reason) = (event.ends_at, event.reason.clone());
                self.cancel = Some(ScheduledCancel { ends_at, reason });
            }
            SubscriptionEvent::CancelUndone(_) => self.cancel = None,
            SubscriptionEvent::Cancelled(event) => self.end(Status::Cancelled, &event.reason, event.at),
            SubscriptionEvent::Expired(event) => self.end(Status::Expired, &event.reason, event.at),
            SubscriptionEvent::Paused(event) => self.paused(event),
            SubscriptionEvent::Resumed(event) => self.resumed(event),
            SubscriptionEvent::ChangeScheduled(event) => {
                let (terms, quantity) = (event.terms.clone(), event.quantity);
                self.change = Some(ScheduledChange { terms, quantity });
            }
            SubscriptionEvent::ChangeDropped(_) => self.change = None,
            SubscriptionEvent::PlanChanged(event) => self.plan_changed(event),
            SubscriptionEvent::AddOnChanged(event) => self.add_on_changed(event),
            SubscriptionEvent::Extended(event) => self.extended(event),
            SubscriptionEvent::Restored(_) => (self.status, self.ended) = (Status::Active, None),
        }
    }
}

impl Subscription {
    fn created(&mut self, event: &Created) {
        self.agreed = Some(Agreed {
            user_id: event.user_id,
            terms: event.terms.clone(),
            quantity: event.quantity,
            zone: event.zone.clone(),
            created_at: event.at,
        });
    }

    fn period_started(&mut self, event: &PeriodStarted) {
        self.cycle = event.cycle;
        self.upcoming = event.period.index.saturating_add(1);
        let (start, end) = (event.period.start, event.period.end);
        let of = |add_on| {
            let charge = event.charges.iter().find(|charge| charge.add_on_id == add_on);
            charge.map(|charge| charge.amount)
        };
        let nothing = self.zero();
        for held in &mut self.add_ons {
            let nothing = Money::zero(held.add_on.price.currency());
            let amount = of(Some(held.add_on.add_on_id)).unwrap_or(nothing);
            held.segment = Segment { start, end, amount };
        }
        let Some(amount) = of(None).or(nothing) else { return };
        let segment = Segment { start, end, amount };
        self.running = Some(Current { anchor: event.anchor.clone(), period: event.period, segment });
    }

    fn past_due(&mut self, event: &PastDue) {
        self.status = Status::PastDue;
        let PastDue { invoice_id, decline, since } = *event;
        self.debt = Some(Debt { invoice_id, decline, since, steps_taken: 0 });
    }

    fn paused(&mut self, event: &Paused) {
        self.status = Status::Paused;
        (self.paused_at, self.resumes_at) = (Some(event.at), event.resumes_at);
    }

    /// Everything that was paid for lasts longer by the rest, and periods are counted anew from the
    /// end of the present one.
    fn resumed(&mut self, event: &Resumed) {
        self.status = Status::Active;
        (self.paused_at, self.resumes_at) = (None, None);
        let rest = SignedDuration::from_secs(event.rested_seconds);
        let later = |at: Timestamp| at.checked_add(rest).unwrap_or(at);
        let shift = |segment: &mut Segment| {
            (segment.start, segment.end) = (later(segment.start), later(segment.end));
        };
        self.add_ons.iter_mut().for_each(|held| shift(&mut held.segment));
        if let Some(running) = &mut self.running {
            shift(&mut running.segment);
            (running.period.start, running.period.end) =
                (later(running.period.start), later(running.period.end));
            running.anchor = Anchor { at: running.period.end, zone: running.anchor.zone.clone() };
            self.upcoming = 0;
        }
        if let Some(cancel) = &mut self.cancel {
            cancel.ends_at = later(cancel.ends_at);
        }
    }

    fn plan_changed(&mut self, event: &PlanChanged) {
        self.change = None;
        if let Some(agreed) = &mut self.agreed {
            (agreed.terms, agreed.quantity) = (event.to.clone(), event.quantity);
        }
        if let Some(running) = &mut self.running {
            if running.period != event.period {
                self.upcoming = event.period.index.saturating_add(1);
            }
            (running.period, running.anchor) = (event.period, event.anchor.clone());
            running.segment = event.segment.clone();
        }
    }

    fn add_on_changed(&mut self, event: &AddOnChanged) {
        self.add_ons.retain(|held| held.add_on.add_on_id != event.add_on.add_on_id);
        if event.add_on.quantity > 0 {
            let (add_on, segment) = (event.add_on.clone(), event.segment.clone());
            self.add_ons.push(HeldAddOn { add_on, segment });
        }
    }

    /// The present period ends later; what was charged for is now spread over more time.
    fn extended(&mut self, event: &Extended) {
        if self.status == Status::Trialing {
            self.trial_ends_at = Some(event.ends_at);
        }
        if let Some(cancel) = &mut self.cancel {
            cancel.ends_at = event.ends_at;
        }
        self.add_ons.iter_mut().for_each(|held| held.segment.end = event.ends_at);
        if let Some(running) = &mut self.running {
            running.period.end = event.ends_at;
            running.segment.end = event.ends_at;
            running.anchor = Anchor { at: event.ends_at, zone: running.anchor.zone.clone() };
            self.upcoming = 0;
        }
    }

    fn end(&mut self, status: Status, reason: &CancelReason, at: Timestamp) {
        self.status = status;
        self.ended = Some((reason.clone(), at));
        (self.cancel, self.change, self.debt) = (None, None, None);
        (self.paused_at, self.resumes_at) = (None, None);
    }

    fn with_debt(&mut self, change: impl FnOnce(&mut Debt)) {
        if let Some(debt) = &mut self.debt {
            change(debt);
        }
    }
}
