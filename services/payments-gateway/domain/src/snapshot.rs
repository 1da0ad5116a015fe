//! What a provider says about a payment, in our words.
//!
//! Every provider is different; its adapter reduces answers, webhooks and polls to this one shape,
//! always the whole payment and never a difference. Two snapshots can therefore be applied in any
//! order and any number of times. A list that a snapshot does not carry (refunds, disputes) says
//! nothing: what we know stays.

use ids::RefundId;
use money::Money;
use serde::{Deserialize, Serialize};

use crate::Decline;

/// A payment as its provider sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSnapshot {
    /// The provider's own identifier of the payment.
    pub reference: String,
    /// How far it is.
    pub state: ProviderState,
    /// The amount that the payment is about.
    pub amount: Money,
    /// Every refund the provider knows, ours and those made in its own dashboard.
    pub refunds: Vec<ProviderRefund>,
    /// Every dispute the provider knows.
    pub disputes: Vec<ProviderDispute>,
    /// What it was paid with, where that can be charged again.
    pub instrument: Option<Instrument>,
}

impl ProviderSnapshot {
    /// A payment without refunds and disputes.
    #[must_use]
    pub const fn new(reference: String, state: ProviderState, amount: Money) -> Self {
        Self { reference, state, amount, refunds: Vec::new(), disputes: Vec::new(), instrument: None }
    }
}

/// How far a payment is at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderState {
    /// The customer has to act.
    RequiresAction {
        /// Where to send the browser; empty where the provider's own form goes on with a client
        /// secret.
        redirect_url: String,
    },
    /// The provider is working on it.
    Processing,
    /// Reserved, not taken.
    Authorized,
    /// Taken in part.
    PartiallyCaptured {
        /// All that was taken so far.
        captured: Money,
        /// Whether the rest is still reserved.
        rest_reserved: bool,
    },
    /// Taken whole.
    Captured,
    /// It will not succeed.
    Failed {
        /// The provider's own word, `card_declined`.
        failure_code: String,
        /// What it means, if the provider's bank declined.
        decline: Option<Decline>,
    },
    /// Given up before anything was taken.
    Voided,
}

impl ProviderState {
    /// Its name in events.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RequiresAction { .. } => "requires_action",
            Self::Processing => "processing",
            Self::Authorized => "authorized",
            Self::PartiallyCaptured { .. } => "partially_captured",
            Self::Captured => "captured",
            Self::Failed { .. } => "failed",
            Self::Voided => "voided",
        }
    }

    /// Whether money was taken.
    #[must_use]
    pub const fn took_money(&self) -> bool {
        matches!(self, Self::PartiallyCaptured { .. } | Self::Captured)
    }
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

/// A dispute (chargeback, inquiry with money at stake) as the provider sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderDispute {
    /// The provider's own identifier.
    pub reference: String,
    /// How much is disputed.
    pub amount: Money,
    /// Why, in the provider's word: `fraudulent`.
    pub reason: String,
    /// How it stands.
    pub outcome: DisputeOutcome,
}

/// How a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeOutcome {
    /// Not decided.
    Open,
    /// The money is ours again.
    Won,
    /// The money is gone.
    Lost,
}

impl DisputeOutcome {
    /// Its name in logs and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

/// What can be charged again: the provider's tokens and what a customer recognises it by. Never the
/// data of a card.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Instrument {
    /// The customer at the provider; empty where it has none.
    pub customer: String,
    /// The provider's token of the method.
    pub token: String,
    /// `card`, `sepa_debit`.
    pub kind: String,
    /// `visa`, or the name of the bank.
    pub brand: String,
    /// The last digits that may be shown.
    pub last4: String,
    /// Month of expiry, 1 to 12; 0 if it does not expire.
    pub expiry_month: u32,
    /// Year of expiry; 0 if it does not expire.
    pub expiry_year: u32,
}
