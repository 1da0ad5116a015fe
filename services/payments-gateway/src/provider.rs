//! What a payment provider is to us.
//!
//! The port is small and every verb of it is idempotent: it is asked with a key that follows from
//! our ids, and answers the whole payment as it is now ([`ProviderSnapshot`]). Adapters translate;
//! they decide nothing. What a provider cannot do it says in its [`Capabilities`], and whoever asks
//! looks there first. The conformance suite (`tests/it/conformance`) is the port's second half: what
//! is written there, every adapter does.

mod amounts;
mod error;
mod order;
mod webhook;

use futures::future::BoxFuture;
use ids::UserId;
use jiff::Timestamp;
use payments_gateway_domain::{Instrument, ProviderSnapshot};

pub use amounts::{Counting, Exception, Inexact};
pub use error::ProviderError;
pub use order::{CaptureOrder, NextAction, Order, RefundOrder, SetupOrder, SetupSnapshot, SetupState};
pub use webhook::{News, ProviderEvent, RawWebhook, WebhookRefusal};

/// What a provider answers, some time later.
pub type Answer<'a, T = ProviderSnapshot> = BoxFuture<'a, Result<T, ProviderError>>;

/// One way to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Stable code, unique among all providers: `sandbox_card`.
    pub code: &'static str,
    /// What the customer reads, where nobody chose other words.
    pub name: &'static str,
    /// Currencies it takes; empty means all.
    pub currencies: &'static [&'static str],
    /// Countries it works in; empty means all.
    pub countries: &'static [&'static str],
    /// Whether it can be saved and charged while the customer is away.
    pub saves: bool,
}

/// What a provider can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Ways to pay.
    pub methods: Vec<Method>,
    /// Whether an open payment can be given up there.
    pub voids: bool,
    /// Whether money can be reserved first and taken later.
    pub manual_capture: bool,
    /// Whether less than what is reserved can be taken; the rest is then released.
    pub partial_captures: bool,
    /// Whether what is reserved can be taken in several parts.
    pub several_captures: bool,
    /// Whether less than the whole can go back.
    pub partial_refunds: bool,
    /// Whether its webhooks prove where they come from. Where not, they are only a hint: the
    /// payment is read again before anything is believed.
    pub signs_webhooks: bool,
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

    /// Takes what is reserved, whole or in part; the order says the key.
    fn capture<'a>(&'a self, order: CaptureOrder<'a>) -> Answer<'a>;

    /// Gives an open payment up.
    fn void<'a>(&'a self, reference: &'a str) -> Answer<'a>;

    /// Gives money back; the refund's id is the key.
    fn refund<'a>(&'a self, order: RefundOrder<'a>) -> Answer<'a>;

    /// Reads a payment.
    fn fetch<'a>(&'a self, reference: &'a str) -> Answer<'a>;

    /// What the customer has to do about a payment.
    fn next_action<'a>(&'a self, reference: &'a str) -> Answer<'a, NextAction> {
        let _ = reference;
        Box::pin(async { Ok(NextAction::default()) })
    }

    /// Makes the customer that saved methods belong to; the user's id is the key. Empty where the
    /// provider needs none.
    fn customer<'a>(&'a self, user_id: UserId) -> Answer<'a, String> {
        let _ = user_id;
        Box::pin(async { Ok(String::new()) })
    }

    /// Begins to save a method; the set-up's id is the key.
    fn set_up<'a>(&'a self, order: SetupOrder<'a>) -> Answer<'a, SetupSnapshot> {
        let _ = order;
        Box::pin(async { Err(ProviderError::unsupported()) })
    }

    /// Reads a set-up, with what the customer has to do about it.
    fn fetch_setup<'a>(&'a self, reference: &'a str) -> Answer<'a, (SetupSnapshot, NextAction)> {
        let _ = reference;
        Box::pin(async { Err(ProviderError::unsupported()) })
    }

    /// Forgets a saved method. One that is gone already is forgotten.
    fn forget<'a>(&'a self, instrument: &'a Instrument) -> Answer<'a, ()> {
        let _ = instrument;
        Box::pin(async { Ok(()) })
    }

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
