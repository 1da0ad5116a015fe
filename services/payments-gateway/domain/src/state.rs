//! The state of a payment: questions only.

use std::collections::{BTreeMap, BTreeSet};

use ids::{OperationId, RefundId};
use jiff::{SignedDuration, Timestamp};
use money::Money;

use crate::events::VoidReason;
use crate::snapshot::{DisputeOutcome, RefundOutcome};
use crate::{Contradicted, Decline, Terms};

/// How far a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Status {
    /// Known to us, not yet to the provider.
    #[default]
    Created,
    /// The customer must act.
    RequiresAction,
    /// The provider is working on it.
    Processing,
    /// Reserved, not taken.
    Authorized,
    /// The provider speaks of other money than we agreed on; an operator must look.
    Contradicted,
    /// Taken in part.
    PartiallyCaptured,
    /// Taken whole.
    Captured,
    /// It did not succeed.
    Failed,
    /// Given up before anything was taken.
    Voided,
    /// Taken, and given back in part.
    PartiallyRefunded,
    /// Taken, and given back whole.
    Refunded,
}

impl Status {
    /// Every status, in the order of a payment's life.
    pub const ALL: [Self; 11] = [
        Self::Created,
        Self::RequiresAction,
        Self::Processing,
        Self::Authorized,
        Self::Contradicted,
        Self::PartiallyCaptured,
        Self::Captured,
        Self::Failed,
        Self::Voided,
        Self::PartiallyRefunded,
        Self::Refunded,
    ];

    /// Its name in storage and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Authorized => "authorized",
            Self::Contradicted => "contradicted",
            Self::PartiallyCaptured => "partially_captured",
            Self::Captured => "captured",
            Self::Failed => "failed",
            Self::Voided => "voided",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
        }
    }

    /// The status with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether the provider may still decide either way.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Created | Self::RequiresAction | Self::Processing | Self::Authorized | Self::Contradicted
        )
    }

    /// Whether money was taken.
    #[must_use]
    pub const fn was_captured(self) -> bool {
        matches!(self, Self::PartiallyCaptured | Self::Captured | Self::PartiallyRefunded | Self::Refunded)
    }
}

/// How long a payment may stay open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimits {
    /// Until the customer has paid.
    pub open: SignedDuration,
    /// Until somebody takes what is reserved.
    pub authorized: SignedDuration,
}

/// A refund as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// How much.
    pub amount: Money,
    /// How it ended.
    pub outcome: RefundOutcome,
}

/// A dispute as far as we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    /// How much is disputed.
    pub amount: Money,
    /// Why, in the provider's word.
    pub reason: String,
    /// How it stands.
    pub outcome: DisputeOutcome,
}

/// A capture that was asked for and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capture {
    /// The how many-th of the payment; part of the key at the provider.
    pub nth: u32,
    /// How much; `None` means what is left.
    pub amount: Option<Money>,
    /// Whether the rest is to stay reserved.
    pub keep_rest: bool,
}

/// One attempt to collect an invoice through a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payment {
    pub(crate) terms: Option<Terms>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) status: Status,
    pub(crate) provider_reference: Option<String>,
    pub(crate) redirect_url: Option<String>,
    pub(crate) failure_code: Option<String>,
    pub(crate) decline: Option<Decline>,
    pub(crate) captures_requested: u32,
    pub(crate) captures_asked: BTreeSet<OperationId>,
    pub(crate) capture_requested: Option<Capture>,
    pub(crate) captured: Option<Money>,
    pub(crate) rest_reserved: bool,
    pub(crate) void_requested: Option<VoidReason>,
    pub(crate) refunds: BTreeMap<RefundId, Refund>,
    pub(crate) refunded: Option<Money>,
    pub(crate) disputes: BTreeMap<String, Dispute>,
    pub(crate) contradiction: Option<Contradicted>,
}

impl Payment {
    /// What was agreed; `None` before it was created.
    #[must_use]
    pub const fn terms(&self) -> Option<&Terms> {
        self.terms.as_ref()
    }

    /// When it was created.
    #[must_use]
    pub const fn created_at(&self) -> Option<Timestamp> {
        self.created_at
    }

    /// Whether the time to pay is over at `at`; what is reserved has a limit of its own.
    #[must_use]
    pub fn is_overdue(&self, at: Timestamp, limits: TimeLimits) -> bool {
        let limit = if self.status == Status::Authorized { limits.authorized } else { limits.open };
        self.status.is_open() && self.created_at.is_some_and(|since| at.duration_since(since) >= limit)
    }

    /// How far it is.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The provider's identifier, once it gave one.
    #[must_use]
    pub fn provider_reference(&self) -> Option<&str> {
        self.provider_reference.as_deref()
    }

    /// Where to send the browser while the customer must act.
    #[must_use]
    pub fn redirect_url(&self) -> Option<&str> {
        self.redirect_url.as_deref().filter(|_| self.status == Status::RequiresAction)
    }

    /// Why it failed.
    #[must_use]
    pub fn failure_code(&self) -> Option<&str> {
        self.failure_code.as_deref()
    }

    /// What the decline means, if it was declined.
    #[must_use]
    pub const fn decline(&self) -> Option<Decline> {
        self.decline
    }

    /// The capture that is under way.
    #[must_use]
    pub const fn capture(&self) -> Option<Capture> {
        self.capture_requested
    }

    /// All that was taken so far; `None` when nothing was.
    #[must_use]
    pub const fn captured(&self) -> Option<Money> {
        self.captured
    }

    /// What can still be taken: what is reserved without what was taken.
    #[must_use]
    pub fn capturable(&self) -> Option<Money> {
        let terms = self.terms.as_ref()?;
        match self.captured {
            None if self.status == Status::Authorized => Some(terms.amount),
            Some(captured) if self.rest_reserved => terms.amount.minus(captured).ok(),
            _ => None,
        }
    }

    /// All that went back so far; `None` when nothing did.
    #[must_use]
    pub const fn refunded(&self) -> Option<Money> {
        self.refunded
    }

    /// The refunds, by id.
    #[must_use]
    pub const fn refunds(&self) -> &BTreeMap<RefundId, Refund> {
        &self.refunds
    }

    /// The disputes, by the provider's identifier.
    #[must_use]
    pub const fn disputes(&self) -> &BTreeMap<String, Dispute> {
        &self.disputes
    }

    /// What disputes hold back or have taken; zero when there are none.
    #[must_use]
    pub fn disputed(&self) -> Option<Money> {
        let currency = self.terms.as_ref()?.amount.currency();
        let ours = self.disputes.values().filter(|dispute| dispute.outcome != DisputeOutcome::Won);
        money::sum(currency, ours.map(|dispute| dispute.amount)).ok()
    }

    /// The last report that spoke of other money than was agreed, unless a right one followed.
    #[must_use]
    pub const fn contradiction(&self) -> Option<&Contradicted> {
        self.contradiction.as_ref()
    }

    /// What can still be given back: the capture without what went back, what is under way, and what
    /// disputes hold.
    #[must_use]
    pub fn refundable(&self) -> Option<Money> {
        let captured = self.captured.filter(|_| self.status.was_captured())?;
        let zero = Money::zero(captured.currency());
        let pending = self.refunds.values().filter(|refund| refund.outcome == RefundOutcome::Pending);
        let pending = money::sum(zero.currency(), pending.map(|refund| refund.amount)).ok()?;
        let left = captured.minus(self.refunded.unwrap_or(zero)).and_then(|left| left.minus(pending)).ok()?;
        let left = left.minus(self.disputed()?).ok()?;
        Some(if left.is_positive() { left } else { zero })
    }
}

#[cfg(test)]
mod names {
    use super::*;

    #[test]
    fn a_status_survives_its_name() {
        for status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        assert_eq!(Status::from_name("paid"), None);
    }
}
