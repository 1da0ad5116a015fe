//! What a provider is asked for. Every order carries what its key at the provider follows from, so
//! that the same order twice is one order there.

use ids::{PaymentId, RefundId, SetupId, UserId};
use money::Money;
use payments_gateway_domain::{Capture, Instrument, Terms};

/// A payment to make.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Ours; also the key.
    pub payment_id: PaymentId,
    /// What was agreed.
    pub terms: &'a Terms,
    /// The customer at the provider; empty where there is none.
    pub customer: &'a str,
    /// What is charged, if a saved method is.
    pub instrument: Option<&'a Instrument>,
}

/// A capture to make.
#[derive(Debug, Clone, Copy)]
pub struct CaptureOrder<'a> {
    /// Ours.
    pub payment_id: PaymentId,
    /// The provider's identifier of the payment.
    pub reference: &'a str,
    /// How much; with the payment's id, its number is the key.
    pub capture: Capture,
    /// The amount that was agreed.
    pub whole: Money,
    /// All that was captured before.
    pub captured: Money,
}

impl CaptureOrder<'_> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}-capture-{}", self.payment_id, self.capture.nth)
    }

    /// How much is taken now, and whether that ends it.
    ///
    /// # Errors
    /// When amounts do not belong together; the rules do not let that happen.
    pub fn part(&self) -> Result<(Money, bool), money::MoneyError> {
        let left = self.whole.minus(self.captured)?;
        let part = self.capture.amount.unwrap_or(left);
        Ok((part, !self.capture.keep_rest || part == left))
    }
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

/// A method to save.
#[derive(Debug, Clone, Copy)]
pub struct SetupOrder<'a> {
    /// Ours; also the key.
    pub setup_id: SetupId,
    /// Whose.
    pub user_id: UserId,
    /// Method code.
    pub method: &'a str,
    /// The customer at the provider; empty where there is none.
    pub customer: &'a str,
    /// Where the provider sends the browser afterwards.
    pub return_url: &'a str,
}

/// A method that is being saved, as its provider sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupSnapshot {
    /// The provider's own identifier.
    pub reference: String,
    /// How far it is.
    pub state: SetupState,
}

/// How far saving a method is at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetupState {
    /// The customer has to act; where to is a [`NextAction`].
    RequiresAction,
    /// The provider is working on it.
    Processing,
    /// It can be charged from now on.
    Succeeded(Instrument),
    /// It cannot be charged.
    Failed {
        /// The provider's word.
        failure_code: String,
    },
}

/// What the customer has to do, read from the provider for one customer and one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NextAction {
    /// Where to send the browser, if that is it.
    pub redirect_url: Option<String>,
    /// The secret for the provider's own form, if that is it. Never stored, never logged.
    pub client_secret: Option<String>,
    /// The key of the provider's own form.
    pub publishable_key: Option<String>,
}
