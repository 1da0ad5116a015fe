//! What a webhook is to us: raw as it came in, and what it means once it is believed.

use std::collections::BTreeMap;

use ids::{PaymentId, SetupId};
use jiff::Timestamp;
use payments_gateway_domain::ProviderSnapshot;

use super::SetupSnapshot;

/// A webhook as it came in.
#[derive(Debug, Clone)]
pub struct RawWebhook {
    /// Header names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// A verified webhook.
#[derive(Debug, Clone)]
pub struct ProviderEvent {
    /// The provider's identity of the event.
    pub event_id: String,
    /// What it calls it.
    pub kind: String,
    /// What it is about.
    pub news: News,
    /// When that was.
    pub occurred_at: Timestamp,
}

/// What a webhook is about.
#[derive(Debug, Clone)]
pub enum News {
    /// A payment as it was then.
    Payment {
        /// Ours, if the provider repeats our identifier.
        payment_id: Option<PaymentId>,
        /// The payment.
        snapshot: Box<ProviderSnapshot>,
    },
    /// Something about a payment that only reading it again can tell.
    PaymentChanged {
        /// Ours, if the provider repeats our identifier.
        payment_id: Option<PaymentId>,
        /// The provider's identifier of the payment.
        reference: String,
    },
    /// A method that is being saved, as it was then.
    Setup {
        /// Ours, if the provider repeats our identifier.
        setup_id: Option<SetupId>,
        /// The set-up.
        snapshot: Box<SetupSnapshot>,
    },
    /// Something about a set-up that only reading it again can tell.
    SetupChanged {
        /// Ours, if the provider repeats our identifier.
        setup_id: Option<SetupId>,
        /// The provider's identifier of the set-up.
        reference: String,
    },
    /// Nothing that we keep.
    Nothing,
}

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookRefusal {
    /// It carries no signature.
    #[error("the webhook carries no signature")]
    SignatureMissing,
    /// Its signature is not by the provider, or not over this body.
    #[error("the webhook's signature is wrong")]
    SignatureInvalid,
    /// It was signed too long ago, or in the future.
    #[error("the webhook's timestamp is outside the tolerance")]
    TimestampStale,
    /// It is genuine and cannot be read.
    #[error("the webhook cannot be read: {0}")]
    Malformed(&'static str),
}
