//! A payment as the sandbox keeps it, answers it and puts it into webhooks: one shape for all.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a payment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The customer has to confirm on our page.
    RequiresAction,
    /// On its way; only seen in overtaken webhooks.
    Processing,
    /// Reserved.
    Authorized,
    /// Taken in part.
    PartiallyCaptured,
    /// Taken.
    Captured,
    /// A method was saved; nothing was taken.
    Saved,
    /// Declined.
    Failed,
    /// Given up.
    Voided,
}

impl Status {
    /// The type of the webhook that reports it.
    #[must_use]
    pub const fn event(self) -> &'static str {
        match self {
            Self::RequiresAction => "payment.requires_action",
            Self::Processing => "payment.processing",
            Self::Authorized => "payment.authorized",
            Self::PartiallyCaptured => "payment.partially_captured",
            Self::Captured => "payment.captured",
            Self::Saved => "method.saved",
            Self::Failed => "payment.failed",
            Self::Voided => "payment.voided",
        }
    }
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Ours, `pay_…`.
    pub id: String,
    /// The merchant's.
    pub reference: String,
    /// How far it is.
    pub status: Status,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// Minor units taken in parts; a payment that is `captured` was taken whole.
    #[serde(default)]
    pub amount_captured: i64,
    /// Whether more can be taken.
    #[serde(default)]
    pub rest_reserved: bool,
    /// Minor units given back.
    pub amount_refunded: i64,
    /// Method code; chooses the behaviour.
    pub method: String,
    /// What the customer reads.
    pub description: String,
    /// Where the browser goes after our page.
    pub return_url: String,
    /// Where the browser has to go now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_url: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_code: Option<String>,
    /// What was given back.
    #[serde(default)]
    pub refunds: Vec<Refund>,
    /// Disputes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disputes: Vec<Dispute>,
    /// `payment`, or `setup` when only a method is saved.
    #[serde(default = "purpose")]
    pub purpose: String,
    /// Reserve first, take later.
    #[serde(default)]
    pub manual: bool,
    /// Whether the method is saved on the way.
    #[serde(default)]
    pub save: bool,
    /// What can be charged again, once it is saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instrument: Option<Instrument>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

fn purpose() -> String {
    "payment".to_owned()
}

/// A dispute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// Ours, `dis_…`.
    pub id: String,
    /// Minor units.
    pub amount: i64,
    /// Why.
    pub reason: String,
    /// `open`, `won`, `lost`.
    pub status: String,
}

/// What can be charged again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instrument {
    /// Its token, `met_…`.
    pub token: String,
    /// `card`.
    pub kind: String,
    /// `visa`.
    pub brand: String,
    /// Last four digits.
    pub last4: String,
    /// 1 to 12.
    pub expiry_month: u32,
    /// Year.
    pub expiry_year: u32,
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Ours, `ref_…`.
    pub id: String,
    /// The merchant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Minor units.
    pub amount: i64,
    /// Always `completed`: the sandbox gives back at once.
    pub status: String,
}

/// What the merchant sends to make a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatePayment {
    /// The merchant's own identifier.
    pub reference: String,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// Method code.
    pub method: String,
    /// Where the browser goes after our page; needed by methods with a page.
    #[serde(default)]
    pub return_url: String,
    /// What the customer reads.
    #[serde(default)]
    pub description: String,
    /// `setup` saves a method and takes nothing; the amount is then zero.
    #[serde(default = "purpose")]
    pub purpose: String,
    /// Reserve first, take later.
    #[serde(default)]
    pub manual: bool,
    /// Save the method on the way.
    #[serde(default)]
    pub save: bool,
    /// Charge this saved method.
    #[serde(default)]
    pub token: Option<String>,
    /// The customer is away.
    #[serde(default)]
    pub off_session: bool,
}

/// What the merchant sends to take what is reserved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreateCapture {
    /// Minor units; absent means what is left.
    pub amount: Option<i64>,
    /// The rest stays reserved.
    pub keep_rest: bool,
}

/// What plays the customer's bank.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreateDispute {
    /// Minor units; absent means the whole capture.
    pub amount: Option<i64>,
    /// Ends the open dispute: `won` or `lost`.
    pub outcome: Option<String>,
}

/// What the merchant sends to give money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateRefund {
    /// The merchant's own identifier.
    #[serde(default)]
    pub reference: Option<String>,
    /// Minor units; absent means the rest.
    #[serde(default)]
    pub amount: Option<i64>,
    /// ISO 4217; must be the payment's.
    #[serde(default)]
    pub currency: Option<String>,
}
