//! What can be asked of a subscription. Everything from outside travels inside: the terms of the
//! plan version, the schedule of the tenant.

use ids::{InvoiceId, LineId, UserId};
use jiff::Timestamp;

use crate::dunning::{Decline, Schedule};
use crate::events::CancelReason;
use crate::terms::{AddOn, Terms};

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionCommand {
    /// Begin.
    Subscribe(Subscribe),
    /// Do what the end of the trial or of the period asks for.
    PassBoundary,
    /// A charge was not paid.
    RecordPaymentFailed(RecordPaymentFailed),
    /// An invoice was paid.
    RecordInvoicePaid(InvoiceId),
    /// Take the next step of the dunning schedule, if it is time.
    TakeDunningStep(TakeDunningStep),
    /// End.
    Cancel(Cancel),
    /// Do not end after all.
    UndoCancel,
    /// Rest.
    Pause(Pause),
    /// Go on.
    Resume,
    /// Another plan, version or number of seats.
    Change(Change),
    /// Keep the present terms after all.
    DropScheduledChange,
    /// An add-on more, less, or another number of it.
    ChangeAddOn(ChangeAddOn),
    /// A longer period, free of charge.
    Extend(Extend),
    /// The money that went back has come back.
    Restore,
}

/// When something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// When the period ends.
    AtPeriodEnd,
}

/// Begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// Whose.
    pub user_id: UserId,
    /// What is agreed.
    pub terms: Terms,
    /// Seats, 1 to [`crate::QUANTITY_MAX`].
    pub quantity: i64,
    /// IANA name of the zone whose calendar counts.
    pub zone: String,
    /// Days free of charge before the first period; 0 for none.
    pub trial_days: u16,
    /// The invoice line that bought it, if one did; then the first period is paid.
    pub line_id: Option<LineId>,
}

/// A charge was not paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordPaymentFailed {
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// Why.
    pub decline: Decline,
}

/// Take the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeDunningStep {
    /// Of this schedule.
    pub schedule: Schedule,
}

/// End.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// When.
    pub when: When,
    /// Why.
    pub reason: CancelReason,
    /// Of an end now: whether the rest of the period is given back.
    pub credit_unused: bool,
}

/// Rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When it goes on by itself.
    pub resumes_at: Option<Timestamp>,
}

/// Another plan, version or number of seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The new terms.
    pub terms: Terms,
    /// The new number of seats.
    pub quantity: i64,
    /// When.
    pub when: When,
    /// The moment that was priced, for a change that an invoice line has paid for: what is applied
    /// is what was shown and charged. `None`: now.
    pub priced_at: Option<Timestamp>,
    /// That line.
    pub line_id: Option<LineId>,
}

/// An add-on more, less, or another number of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeAddOn {
    /// The add-on and how many there shall be; 0 for none.
    pub add_on: AddOn,
    /// As in [`Change::priced_at`].
    pub priced_at: Option<Timestamp>,
    /// The invoice line that paid for it.
    pub line_id: Option<LineId>,
}

/// A longer period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extend {
    /// When it shall end.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
}
