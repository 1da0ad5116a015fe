//! The state of a payment: questions only.

use std::collections::BTreeMap;

use ids::{InvoiceId, RefundId, UserId};
use jiff::{SignedDuration, Timestamp};
use money::Money;
use serde::{Deserialize, Serialize};

use crate::events::VoidReason;
use crate::snapshot::RefundOutcome;

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
    /// Taken.
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
    pub const ALL: [Self; 9] = [
        Self::Created,
        Self::RequiresAction,
        Self::Processing,
        Self::Authorized,
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
        matches!(self, Self::Created | Self::RequiresAction | Self::Processing | Self::Authorized)
    }

    /// Whether money was taken.
    #[must_use]
    pub const fn was_captured(self) -> bool {
        matches!(self, Self::Captured | Self::PartiallyRefunded | Self::Refunded)
    }
}

/// What was agreed when the payment was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What is collected for.
    pub invoice_id: InvoiceId,
    /// From whom.
    pub user_id: UserId,
    /// How much.
    pub amount: Money,
    /// Method code, `sandbox_card`.
    pub method: String,
    /// Provider code, `sandbox`.
    pub provider: String,
    /// Where the provider sends the browser afterwards.
    pub return_url: String,
    /// What the customer reads at the provider.
    pub description: String,
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

/// One attempt to collect an invoice through a provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payment {
    pub(crate) terms: Option<Terms>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) status: Status,
    pub(crate) provider_reference: Option<String>,
    pub(crate) redirect_url: Option<String>,
    pub(crate) failure_code: Option<String>,
    pub(crate) capture_requested: bool,
    pub(crate) void_requested: Option<VoidReason>,
    pub(crate) refunds: BTreeMap<RefundId, Refund>,
    pub(crate) refunded: Option<Money>,
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

    /// What can still be given back: the capture without what went back and what is under way.
    #[must_use]
    pub fn refundable(&self) -> Option<Money> {
        let terms = self.terms.as_ref().filter(|_| self.status.was_captured())?;
        let zero = Money::zero(terms.amount.currency());
        let pending = self.refunds.values().filter(|refund| refund.outcome == RefundOutcome::Pending);
        let pending = money::sum(zero.currency(), pending.map(|refund| refund.amount)).ok()?;
        terms.amount.minus(self.refunded.unwrap_or(zero)).and_then(|left| left.minus(pending)).ok()
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
