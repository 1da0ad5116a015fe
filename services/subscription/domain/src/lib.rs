//! The rules of subscriptions, pure: no clock, no storage, no network.
//!
//! A [`Subscription`] has [`Terms`] (the snapshot of one plan version), runs in [`Period`]s counted
//! from an [`Anchor`], and guards itself:
//! - a period begins at most once, exactly where the one before ended, however late the timer is;
//! - whatever is charged is remembered as a [`Segment`], and no change gives back more than that;
//! - nothing is charged on top of a debt: while it is past due, no period begins;
//! - a cancel that is scheduled can be undone until it happens, one that happened cannot.
//!
//! [`prorate`] prices a change for the preview and for the invoice alike. [`dunning`] says what
//! happens to a debt and when. [`catalogue`] says what a plan version may promise, [`feature`] folds what plans and add-ons promise into one answer.
#![deny(clippy::float_arithmetic, clippy::arithmetic_side_effects)]

pub mod catalogue;
mod commands;
mod decide;
pub mod dunning;
mod events;
pub mod feature;
pub mod period;
pub mod proration;
mod rejection;
#[cfg(feature = "testing")]
pub mod samples;
mod state;
mod subscription;
mod terms;

pub use commands::{
    Cancel, Change, ChangeAddOn, Extend, Pause, RecordPaymentFailed, Subscribe, SubscriptionCommand,
    TakeDunningStep, When,
};
pub use events::{
    Activated, AddOnChanged, CancelReason, CancelScheduled, CancelUndone, Cancelled, ChangeDropped,
    ChangeScheduled, Charged, Created, DunningStepTaken, Expired, Extended, PastDue, Paused, PeriodStarted,
    PlanChanged, Recovered, Restored, Resumed, RetryFailed, SubscriptionEvent, TrialStarted,
};
pub use period::{Anchor, BillingPeriod, CalendarError, Period, Unit};
pub use proration::{Proration, ProrationError, Running, Segment, prorate};
pub use rejection::Rejection;
pub use state::{Debt, HeldAddOn, ScheduledCancel, ScheduledChange, Status, Subscription};
pub use terms::{AddOn, Grant, QUANTITY_MAX, Rest, Terms};
