//! The sandbox's messages, read tolerantly: fields we do not use are not named.

use ids::RefundId;
use jiff::Timestamp;
use money::{Currency, Money};
use payments_gateway_domain::{ProviderRefund, ProviderSnapshot, ProviderState, RefundOutcome};
use serde::Deserialize;

/// A webhook.
#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) occurred_at: Timestamp,
    pub(super) data: Payment,
}

/// A payment.
#[derive(Deserialize)]
pub(super) struct Payment {
    id: String,
    pub(super) reference: String,
    status: String,
    amount: i64,
    currency: String,
    #[serde(default)]
    redirect_url: Option<String>,
    #[serde(default)]
    failure_code: Option<String>,
    #[serde(default)]
    refunds: Vec<Refund>,
}

/// A refund.
#[derive(Deserialize)]
struct Refund {
    id: String,
    #[serde(default)]
    reference: Option<String>,
    amount: i64,
    status: String,
}

/// A refusal.
#[derive(Deserialize, Default)]
pub(super) struct Problem {
    pub(super) error: ProblemCode,
}

/// The part of a refusal that is stable.
#[derive(Deserialize)]
pub(super) struct ProblemCode {
    pub(super) code: String,
}

impl Default for ProblemCode {
    fn default() -> Self {
        Self { code: "unexplained".to_owned() }
    }
}

impl Payment {
    /// The payment in our words, or what about it we cannot read.
    pub(super) fn snapshot(self) -> Result<ProviderSnapshot, &'static str> {
        let currency: Currency = self.currency.parse().map_err(|_| "unknown currency")?;
        let state = match self.status.as_str() {
            "requires_action" => {
                let redirect_url = self.redirect_url.ok_or("action without redirect_url")?;
                ProviderState::RequiresAction { redirect_url }
            }
            "processing" => ProviderState::Processing,
            "authorized" => ProviderState::Authorized,
            "captured" => ProviderState::Captured,
            "failed" => {
                let failure_code = self.failure_code.unwrap_or_else(|| "unexplained".to_owned());
                ProviderState::Failed { failure_code }
            }
            "voided" => ProviderState::Voided,
            _ => return Err("unknown status"),
        };
        let refunds = self.refunds.into_iter().map(|refund| refund.read(currency)).collect();
        Ok(ProviderSnapshot { reference: self.id, state, amount: Money::new(self.amount, currency), refunds })
    }
}

impl Refund {
    /// A refund that does not carry our id was made at the provider and gets one that follows from
    /// the provider's.
    fn read(self, currency: Currency) -> ProviderRefund {
        let ours = self.reference.and_then(|reference| reference.parse().ok());
        let refund_id = ours.unwrap_or_else(|| RefundId::derived(&[super::CODE, &self.id]));
        let outcome = match self.status.as_str() {
            "completed" => RefundOutcome::Completed,
            "failed" => RefundOutcome::Failed { failure_code: "refund_failed".to_owned() },
            _ => RefundOutcome::Pending,
        };
        ProviderRefund { refund_id, amount: Money::new(self.amount, currency), outcome }
    }
}
