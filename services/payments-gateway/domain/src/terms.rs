//! What was agreed when a payment was created. It never changes afterwards.

use ids::{InvoiceId, PaymentMethodId, UserId};
use money::Money;
use serde::{Deserialize, Serialize};

/// When the money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    /// As soon as the customer has confirmed.
    #[default]
    Automatic,
    /// When somebody asks for it; until then it is reserved.
    Manual,
}

impl CaptureMode {
    const fn is_automatic(&self) -> bool {
        matches!(self, Self::Automatic)
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
    /// When the money is taken.
    #[serde(default, skip_serializing_if = "CaptureMode::is_automatic")]
    pub capture: CaptureMode,
    /// The saved method that is charged, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_method: Option<PaymentMethodId>,
    /// Whether the customer is away and cannot confirm anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub off_session: bool,
    /// Whether what the customer pays with is kept for later charges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub save_method: bool,
}

impl Terms {
    /// The texts shown to the customer may differ; what is collected, from whom and how may not.
    #[must_use]
    pub fn collects_the_same(&self, other: &Self) -> bool {
        let who = |terms: &Self| (terms.invoice_id, terms.user_id, terms.amount, terms.method.clone());
        let how = |terms: &Self| (terms.capture, terms.saved_method, terms.off_session, terms.save_method);
        who(self) == who(other) && how(self) == how(other)
    }
}
