//! What a provider says about a payment, in our words.
//!
//! Every provider is different; its adapter reduces answers, webhooks and polls to this one shape,
//! always the whole payment and never a difference. Two snapshots can therefore be applied in any
//! order and any number of times.

use ids::RefundId;
use money::Money;

/// A payment as its provider sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSnapshot {
    /// The provider's own identifier of the payment.
    pub reference: String,
    /// How far it is.
    pub state: ProviderState,
    /// The amount that is asked, reserved or taken.
    pub amount: Money,
    /// Every refund the provider knows, ours and those made in its own dashboard.
    pub refunds: Vec<ProviderRefund>,
}

/// How far a payment is at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderState {
    /// The customer has to act in the browser.
    RequiresAction {
        /// Where to send the browser.
        redirect_url: String,
    },
    /// The provider is working on it.
    Processing,
    /// Reserved, not taken.
    Authorized,
    /// Taken.
    Captured,
    /// It will not succeed.
    Failed {
        /// Decline class, `card_declined`.
        failure_code: String,
    },
    /// Given up before anything was taken.
    Voided,
}

/// A refund as the provider sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderRefund {
    /// Ours, or one derived from the provider's identifier when it was made over there.
    pub refund_id: RefundId,
    /// How much goes back.
    pub amount: Money,
    /// How it ended.
    pub outcome: RefundOutcome,
}

/// How a refund ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundOutcome {
    /// Not decided yet.
    Pending,
    /// The money went back.
    Completed,
    /// It did not.
    Failed {
        /// Class of the failure, `account_closed`.
        failure_code: String,
    },
}
