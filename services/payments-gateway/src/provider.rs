//! What a payment provider is to us.
//!
//! The port is small and every verb of it is idempotent: it is asked with a key that follows from
//! the payment, and answers the whole payment as it is now ([`ProviderSnapshot`]). What can go
//! wrong is sorted by what it means for the payment, not by how it looked on the wire: *declined*
//! and *invalid* are answers, *transient* and *unknown* are not, and after those the same question
//! is asked again with the same key. Adapters translate; they decide nothing.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use ids::{PaymentId, RefundId};
use jiff::Timestamp;
use money::Money;
use payments_gateway_domain::{ProviderSnapshot, Terms};

/// What a provider answers, some time later.
pub type Answer<'a> = BoxFuture<'a, Result<ProviderSnapshot, ProviderError>>;

/// One way to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Stable code, unique among all providers: `sandbox_card`.
    pub code: &'static str,
    /// What the customer reads.
    pub name: &'static str,
    /// Currencies it takes; empty means all.
    pub currencies: &'static [&'static str],
    /// Countries it works in; empty means all.
    pub countries: &'static [&'static str],
}

/// What a provider can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Ways to pay.
    pub methods: Vec<Method>,
    /// Whether an open payment can be given up there.
    pub voids: bool,
    /// Whether less than the whole can go back.
    pub partial_refunds: bool,
    /// Whether its webhooks prove where they come from. Where not, they are only a hint: the
    /// payment is read again before anything is believed.
    pub signs_webhooks: bool,
}

/// A payment to make.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Ours; also the key.
    pub payment_id: PaymentId,
    /// What was agreed.
    pub terms: &'a Terms,
}

/// A refund to make.
#[derive(Debug, Clone, Copy)]
pub struct RefundOrder<'a> {
    /// The provider's identifier of the payment.
    pub reference: &'a str,
    /// Ours; also the key.
    pub refund_id: RefundId,
    /// How much.
    pub amount: Money,
}

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
    /// Our payment, if the provider repeats our identifier.
    pub payment_id: Option<PaymentId>,
    /// The payment as it was then.
    pub snapshot: ProviderSnapshot,
    /// When that was.
    pub occurred_at: Timestamp,
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

/// Why a provider did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It said no, and will say no again.
    #[error("declined: {code}")]
    Declined {
        /// Class of the decline.
        code: String,
    },
    /// It does not understand us, and will not when asked again.
    #[error("refused as invalid: {code}")]
    Invalid {
        /// What it does not like.
        code: String,
    },
    /// It certainly did nothing; asking again makes sense.
    #[error("cannot be reached for now")]
    Transient(#[source] Source),
    /// It may have done it; only the same question with the same key can tell.
    #[error("the outcome is unknown")]
    Unknown(#[source] Source),
}

type Source = Box<dyn std::error::Error + Send + Sync>;

impl ProviderError {
    /// The final answer, if it is one: the class of the refusal.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Declined { code } | Self::Invalid { code } => Some(code),
            Self::Transient(_) | Self::Unknown(_) => None,
        }
    }

    /// A word for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Declined { .. } => "declined",
            Self::Invalid { .. } => "invalid",
            Self::Transient(_) => "transient",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// A payment provider.
pub trait PaymentProvider: Send + Sync {
    /// Its code: `sandbox`. Also the last part of the path of its webhooks.
    fn code(&self) -> &'static str;

    /// What it can do.
    fn capabilities(&self) -> &Capabilities;

    /// Makes a payment; the payment's id is the key.
    fn create<'a>(&'a self, order: Order<'a>) -> Answer<'a>;

    /// Goes on after the customer came back, for providers that want to be told; for the others it
    /// reads the payment.
    fn confirm<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        self.fetch(reference)
    }

    /// Takes what is reserved, whole.
    fn capture<'a>(&'a self, reference: &'a str) -> Answer<'a>;

    /// Gives an open payment up.
    fn void<'a>(&'a self, reference: &'a str) -> Answer<'a>;

    /// Gives money back; the refund's id is the key.
    fn refund<'a>(&'a self, order: RefundOrder<'a>) -> Answer<'a>;

    /// Reads a payment.
    fn fetch<'a>(&'a self, reference: &'a str) -> Answer<'a>;

    /// Checks where a webhook comes from, then reads it; in this order.
    ///
    /// # Errors
    /// Why it is not believed.
    fn parse_and_verify_webhook(
        &self,
        webhook: &RawWebhook,
        now: Timestamp,
    ) -> Result<ProviderEvent, WebhookRefusal>;
}
