//! What can happen to a subscription, as it is stored. Golden files in `golden/` hold the stored
//! form; an incompatible change needs a new version (see `kernel::events!`).

use ids::{AddOnId, InvoiceId, LineId, UserId};
use jiff::Timestamp;
use money::Money;
use serde::{Deserialize, Serialize};

use crate::dunning::Decline;
use crate::period::{Anchor, Period};
use crate::proration::Segment;
use crate::terms::{AddOn, Terms};

kernel::events! {
    /// What can happen to a subscription.
    pub enum SubscriptionEvent {
        /// A customer subscribed.
        "subscription.created" 1 => Created(Created),
        /// It runs free of charge until the trial ends.
        "subscription.trial_started" 1 => TrialStarted(TrialStarted),
        /// It runs.
        "subscription.activated" 1 => Activated(Activated),
        /// A period began, and is to be paid.
        "subscription.period_started" 1 => PeriodStarted(PeriodStarted),
        /// A charge was not paid; the debt is being collected.
        "subscription.past_due" 1 => PastDue(PastDue),
        /// Another attempt to collect the debt has failed.
        "subscription.retry_failed" 1 => RetryFailed(RetryFailed),
        /// A step of the dunning schedule was taken.
        "subscription.dunning_step_taken" 1 => DunningStepTaken(DunningStepTaken),
        /// The debt was paid.
        "subscription.recovered" 1 => Recovered(Recovered),
        /// It will end with the period.
        "subscription.cancel_scheduled" 1 => CancelScheduled(CancelScheduled),
        /// It goes on after all.
        "subscription.cancel_undone" 1 => CancelUndone(CancelUndone),
        /// It ended before its period did.
        "subscription.cancelled" 1 => Cancelled(Cancelled),
        /// It ended with its period.
        "subscription.expired" 1 => Expired(Expired),
        /// It rests.
        "subscription.paused" 1 => Paused(Paused),
        /// It runs again.
        "subscription.resumed" 1 => Resumed(Resumed),
        /// Another plan, version or number of seats from the next period on.
        "subscription.change_scheduled" 1 => ChangeScheduled(ChangeScheduled),
        /// The next period has the present terms after all.
        "subscription.change_dropped" 1 => ChangeDropped(ChangeDropped),
        /// Another plan, version or number of seats.
        "subscription.plan_changed" 1 => PlanChanged(PlanChanged),
        /// An add-on came, went, or has another number.
        "subscription.add_on_changed" 1 => AddOnChanged(AddOnChanged),
        /// The period lasts longer, free of charge.
        "subscription.extended" 1 => Extended(Extended),
        /// What had ended because its money went back runs again: the money came back.
        "subscription.restored" 1 => Restored(Restored),
    }
}

/// Payload of `subscription.created`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    /// Whose.
    pub user_id: UserId,
    /// What was agreed.
    pub terms: Terms,
    /// Seats.
    pub quantity: i64,
    /// IANA name of the zone whose calendar counts.
    pub zone: String,
    /// The invoice line that bought it, if one did.
    pub line_id: Option<LineId>,
    /// When.
    pub at: Timestamp,
}

/// Payload of `subscription.trial_started`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialStarted {
    /// When the first period begins.
    pub ends_at: Timestamp,
}

/// Payload of `subscription.activated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activated {
    /// When.
    pub at: Timestamp,
}

/// What a charge is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charged {
    /// The add-on; `None`: the plan.
    pub add_on_id: Option<AddOnId>,
    /// How many.
    pub quantity: i64,
    /// How much, zero or more.
    pub amount: Money,
}

/// Payload of `subscription.period_started`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodStarted {
    /// How many periods have begun with this one, from 1: the key of what is charged and granted.
    pub cycle: u32,
    /// The period.
    pub period: Period,
    /// Where periods are counted from.
    pub anchor: Anchor,
    /// What it costs; empty lines are left out, and so is what was paid before it began.
    pub charges: Vec<Charged>,
    /// Whether an invoice line has paid for it already.
    pub prepaid: bool,
}

/// Payload of `subscription.past_due`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastDue {
    /// What was not paid.
    pub invoice_id: InvoiceId,
    /// Why.
    pub decline: Decline,
    /// When the payment failed; the dunning schedule counts from here.
    pub since: Timestamp,
}

/// Payload of `subscription.retry_failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryFailed {
    /// Why.
    pub decline: Decline,
    /// When.
    pub at: Timestamp,
}

/// Payload of `subscription.dunning_step_taken`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DunningStepTaken {
    /// Which step of the schedule, from 0.
    pub step: u32,
    /// What is not paid.
    pub invoice_id: InvoiceId,
    /// Whether the saved method is charged again.
    pub retry: bool,
    /// The letter to write: `reminder`; empty for none.
    pub letter: String,
    /// When.
    pub at: Timestamp,
}

/// Payload of `subscription.recovered`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovered {
    /// What was paid.
    pub invoice_id: InvoiceId,
    /// When.
    pub at: Timestamp,
}

/// Why a subscription ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CancelReason {
    /// The customer asked.
    Customer {
        /// In the customer's words, or a word of a list.
        text: String,
    },
    /// The merchant asked.
    Merchant {
        /// Why.
        text: String,
    },
    /// The debt was not paid.
    Unpaid,
    /// What had paid for it went back.
    Refunded,
    /// Another plan of the same exclusive category took its place.
    Replaced,
}

/// Payload of `subscription.cancel_scheduled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelScheduled {
    /// When it will end.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: CancelReason,
}

/// Payload of `subscription.cancel_undone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelUndone {}

/// Payload of `subscription.cancelled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancelled {
    /// Why.
    pub reason: CancelReason,
    /// What is given back for the rest of the period, zero if nothing is.
    pub credit: Money,
    /// When.
    pub at: Timestamp,
}

/// Payload of `subscription.expired`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expired {
    /// Why it was not renewed.
    pub reason: CancelReason,
    /// When: the end of the period.
    pub at: Timestamp,
}

/// Payload of `subscription.paused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// When it goes on by itself; `None`: when it is told to.
    pub resumes_at: Option<Timestamp>,
    /// Whether the dunning schedule did it.
    pub unpaid: bool,
    /// When.
    pub at: Timestamp,
}

/// Payload of `subscription.resumed`. The rest of the period follows now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// How long it rested, in seconds; everything it had paid for lasts so much longer.
    pub rested_seconds: i64,
    /// When.
    pub at: Timestamp,
}

/// Payload of `subscription.change_scheduled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeScheduled {
    /// The terms of the next period.
    pub terms: Terms,
    /// Its seats.
    pub quantity: i64,
    /// When it begins.
    pub effective_at: Timestamp,
}

/// Payload of `subscription.change_dropped`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeDropped {}

/// Payload of `subscription.plan_changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanChanged {
    /// The terms before.
    pub from: Terms,
    /// The terms from now on.
    pub to: Terms,
    /// Seats from now on.
    pub quantity: i64,
    /// What is given back for the rest of what was charged.
    pub credit: Money,
    /// What the rest costs at the new terms.
    pub charge: Money,
    /// The period that runs from now on.
    pub period: Period,
    /// Where periods are counted from.
    pub anchor: Anchor,
    /// Which part of the period the charge is for.
    pub segment: Segment,
    /// The invoice line that paid for it, if one did.
    pub line_id: Option<LineId>,
    /// When.
    pub at: Timestamp,
}

/// Payload of `subscription.add_on_changed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddOnChanged {
    /// The add-on from now on; quantity 0: it went.
    pub add_on: AddOn,
    /// What is given back for the rest of what was charged for it.
    pub credit: Money,
    /// What the rest of the period costs.
    pub charge: Money,
    /// Which part of the period the charge is for.
    pub segment: Segment,
    /// The invoice line that paid for it, if one did.
    pub line_id: Option<LineId>,
}

/// Payload of `subscription.extended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extended {
    /// When the period ends now.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
}

/// Payload of `subscription.restored`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When.
    pub at: Timestamp,
}
