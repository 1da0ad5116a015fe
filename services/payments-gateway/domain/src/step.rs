//! What the provider has to be asked next.
//!
//! The request path and the reconciler both follow this, so a payment that was cut off between the
//! provider's answer and our record is resumed exactly where it stood. Every step is idempotent at
//! the provider: it is asked with a key that follows from the payment.

use ids::RefundId;
use money::Money;

use crate::{Capture, DisputeOutcome, Payment, RefundOutcome, Status};

/// The next question to the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the payment known, with the payment's id as the key.
    Create,
    /// Take what is authorised; the payment's id and its number are the key.
    Capture(Capture),
    /// Give it up.
    Void,
    /// Give this back.
    Refund {
        /// Which refund; the key.
        refund_id: RefundId,
        /// How much.
        amount: Money,
    },
    /// Ask how far it is.
    Watch,
    /// Nothing is open.
    Rest,
}

impl Payment {
    /// The next question to the provider.
    #[must_use]
    pub fn step(&self) -> Step {
        if self.terms.is_none() {
            return Step::Rest;
        }
        if self.status.is_open() {
            return self.step_while_open();
        }
        if let Some(capture) = self.capture_requested.filter(|_| self.rest_reserved) {
            return Step::Capture(capture);
        }
        let pending = self.refunds.iter().find(|(_, refund)| refund.outcome == RefundOutcome::Pending);
        let watched = if self.is_watched() { Step::Watch } else { Step::Rest };
        pending.map_or(watched, |(id, refund)| Step::Refund { refund_id: *id, amount: refund.amount })
    }

    /// After money was taken: whether the provider may still bring news that matters.
    fn is_watched(&self) -> bool {
        let disputed = self.disputes.values().any(|dispute| dispute.outcome == DisputeOutcome::Open);
        self.status.was_captured() && (self.rest_reserved || disputed)
    }

    fn step_while_open(&self) -> Step {
        match self.status {
            _ if self.provider_reference.is_none() => Step::Create,
            _ if self.void_requested.is_some() => Step::Void,
            _ => self
                .capture_requested
                .filter(|_| self.status == Status::Authorized)
                .map_or(Step::Watch, Step::Capture),
        }
    }
}
