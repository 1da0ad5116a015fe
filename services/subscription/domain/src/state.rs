//! What is known of a subscription: the fold of its events.

use ids::{InvoiceId, UserId};
use jiff::Timestamp;
use money::Money;

use crate::dunning::{Decline, Schedule};
use crate::events::{CancelReason, Charged};
use crate::period::{Anchor, Period};
use crate::proration::{Running, Segment};
use crate::rejection::Rejection;
use crate::terms::{AddOn, Terms};

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nobody has subscribed.
    #[default]
    None,
    /// It runs free of charge.
    Trialing,
    /// It runs and is paid, or is being paid.
    Active,
    /// A charge was not paid; it runs while the debt is collected.
    PastDue,
    /// It rests: nothing runs, nothing is charged.
    Paused,
    /// It ended before its period did.
    Cancelled,
    /// It ended with its period.
    Expired,
}

impl Status {
    /// The word that clients see.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether what the plan promises is given.
    #[must_use]
    pub const fn entitles(self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue)
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired)
    }
}

/// An end that is scheduled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledCancel {
    /// When.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: CancelReason,
}

/// A change that is scheduled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledChange {
    /// The terms of the next period.
    pub terms: Terms,
    /// Its seats.
    pub quantity: i64,
}

/// A charge that was not paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debt {
    /// Of which invoice.
    pub invoice_id: InvoiceId,
    /// Why the last attempt failed.
    pub decline: Decline,
    /// Since when.
    pub since: Timestamp,
    /// How many steps of the schedule were taken.
    pub steps_taken: u32,
}

/// An add-on that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldAddOn {
    /// Which, how many, for how much.
    pub add_on: AddOn,
    /// What was charged for it for the running stretch.
    pub segment: Segment,
}

/// A subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    pub(crate) status: Status,
    pub(crate) agreed: Option<Agreed>,
    /// How many periods have begun.
    pub(crate) cycle: u32,
    /// Index of the next period under the anchor.
    pub(crate) upcoming: u32,
    pub(crate) running: Option<Current>,
    pub(crate) trial_ends_at: Option<Timestamp>,
    pub(crate) cancel: Option<ScheduledCancel>,
    pub(crate) change: Option<ScheduledChange>,
    pub(crate) add_ons: Vec<HeldAddOn>,
    pub(crate) debt: Option<Debt>,
    pub(crate) paused_at: Option<Timestamp>,
    pub(crate) resumes_at: Option<Timestamp>,
    pub(crate) ended: Option<(CancelReason, Timestamp)>,
}

/// What was agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) user_id: UserId,
    pub(crate) terms: Terms,
    pub(crate) quantity: i64,
    pub(crate) zone: String,
    pub(crate) created_at: Timestamp,
}

/// The period that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) anchor: Anchor,
    pub(crate) period: Period,
    pub(crate) segment: Segment,
}

impl Subscription {
    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Whose it is; `None` before it was created.
    #[must_use]
    pub fn user_id(&self) -> Option<UserId> {
        self.agreed.as_ref().map(|agreed| agreed.user_id)
    }

    /// The terms it runs on.
    #[must_use]
    pub fn terms(&self) -> Option<&Terms> {
        self.agreed.as_ref().map(|agreed| &agreed.terms)
    }

    /// Seats.
    #[must_use]
    pub fn quantity(&self) -> i64 {
        self.agreed.as_ref().map_or(0, |agreed| agreed.quantity)
    }

    /// When it was created.
    #[must_use]
    pub fn created_at(&self) -> Option<Timestamp> {
        self.agreed.as_ref().map(|agreed| agreed.created_at)
    }

    /// The period that runs, if one has begun.
    #[must_use]
    pub fn period(&self) -> Option<Period> {
        self.running.as_ref().map(|running| running.period)
    }

    /// How many periods have begun.
    #[must_use]
    pub const fn cycle(&self) -> u32 {
        self.cycle
    }

    /// When the trial ends or ended.
    #[must_use]
    pub const fn trial_ends_at(&self) -> Option<Timestamp> {
        self.trial_ends_at
    }

    /// The end that is scheduled.
    #[must_use]
    pub const fn cancel(&self) -> Option<&ScheduledCancel> {
        self.cancel.as_ref()
    }

    /// The change that is scheduled.
    #[must_use]
    pub const fn change(&self) -> Option<&ScheduledChange> {
        self.change.as_ref()
    }

    /// Its add-ons.
    #[must_use]
    pub fn add_ons(&self) -> &[HeldAddOn] {
        &self.add_ons
    }

    /// What is not paid.
    #[must_use]
    pub const fn debt(&self) -> Option<&Debt> {
        self.debt.as_ref()
    }

    /// Why and when it ended.
    #[must_use]
    pub fn ended(&self) -> Option<(&CancelReason, Timestamp)> {
        self.ended.as_ref().map(|(reason, at)| (reason, *at))
    }

    /// When it goes on by itself, while it rests.
    #[must_use]
    pub const fn resumes_at(&self) -> Option<Timestamp> {
        self.resumes_at
    }

    /// When somebody has to look at it next: the end of its trial or period, the end of its rest,
    /// the next step of the schedule.
    #[must_use]
    pub fn due_at(&self, schedule: &Schedule) -> Option<Timestamp> {
        match self.status {
            Status::Trialing => self.trial_ends_at,
            Status::Active => self.period().map(|period| period.end),
            Status::PastDue => {
                self.debt.as_ref().map(|debt| schedule.next(debt.since, debt.steps_taken).at())
            }
            Status::Paused => self.resumes_at,
            Status::None | Status::Cancelled | Status::Expired => None,
        }
    }

    /// What one period costs: the plan, then each add-on; what costs nothing is left out.
    ///
    /// # Errors
    /// [`Rejection::Overflow`].
    pub(crate) fn charges(
        terms: &Terms,
        quantity: i64,
        add_ons: &[HeldAddOn],
    ) -> Result<Vec<Charged>, Rejection> {
        let plan = Charged { add_on_id: None, quantity, amount: terms.price.times(quantity)? };
        let mut charges = vec![plan];
        for held in add_ons {
            let AddOn { add_on_id, price, quantity, .. } = &held.add_on;
            let amount = price.times(*quantity)?;
            charges.push(Charged { add_on_id: Some(*add_on_id), quantity: *quantity, amount });
        }
        charges.retain(|charge| !charge.amount.is_zero());
        Ok(charges)
    }

    /// It must have been created.
    pub(crate) fn agreed(&self) -> Result<&Agreed, Rejection> {
        self.agreed.as_ref().ok_or(Rejection::NotCreated)
    }

    /// It must be in one of these states.
    pub(crate) fn expect(&self, states: &[Status]) -> Result<&Agreed, Rejection> {
        let agreed = self.agreed()?;
        match states.contains(&self.status) {
            true => Ok(agreed),
            false => Err(Rejection::WrongStatus { status: self.status }),
        }
    }

    /// A period must run.
    pub(crate) fn current(&self) -> Result<&Current, Rejection> {
        self.running.as_ref().ok_or(Rejection::WrongStatus { status: self.status })
    }

    pub(crate) fn zero(&self) -> Option<Money> {
        self.terms().map(|terms| Money::zero(terms.price.currency()))
    }
}

impl Current {
    /// As proration sees it.
    pub(crate) const fn running<'a>(&'a self, segment: &'a Segment, terms: &Terms) -> Running<'a> {
        Running { segment, period: self.period, length: terms.period, anchor: &self.anchor }
    }
}
