//! The sandbox's messages, read tolerantly: fields we do not use are not named.

use ids::RefundId;
use jiff::Timestamp;
use money::{Currency, Money};
use payments_gateway_domain::{
    Decline, DisputeOutcome, Instrument, ProviderDispute, ProviderRefund, ProviderSnapshot, ProviderState,
    RefundOutcome,
};
use serde::Deserialize;

use crate::provider::{News, NextAction, SetupSnapshot, SetupState};

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
    amount_captured: i64,
    #[serde(default)]
    rest_reserved: bool,
    #[serde(default)]
    refunds: Vec<Refund>,
    #[serde(default)]
    disputes: Vec<Dispute>,
    #[serde(default)]
    purpose: String,
    #[serde(default)]
    instrument: Option<WireInstrument>,
}

/// A dispute.
#[derive(Deserialize)]
struct Dispute {
    id: String,
    amount: i64,
    reason: String,
    status: String,
}

/// What can be charged again.
#[derive(Deserialize)]
struct WireInstrument {
    token: String,
    kind: String,
    brand: String,
    last4: String,
    expiry_month: u32,
    expiry_year: u32,
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

/// What the sandbox's word for a decline means.
pub(super) fn decline(code: &str) -> Decline {
    if code == "card_declined" { Decline::DoNotHonor } else { Decline::from_name(code) }
}

impl Payment {
    /// What a webhook with this payment in it is about.
    pub(super) fn news(self) -> Result<News, &'static str> {
        if self.purpose == "setup" {
            let setup_id = self.reference.parse().ok();
            return Ok(News::Setup { setup_id, snapshot: Box::new(self.setup()?) });
        }
        let payment_id = self.reference.parse().ok();
        Ok(News::Payment { payment_id, snapshot: Box::new(self.snapshot()?) })
    }

    /// The payment in our words, or what about it we cannot read.
    pub(super) fn snapshot(self) -> Result<ProviderSnapshot, &'static str> {
        let currency: Currency = self.currency.parse().map_err(|_| "unknown currency")?;
        let state = self.state(currency)?;
        let refunds = self.refunds.into_iter().map(|refund| refund.read(currency)).collect();
        let disputes = self.disputes.into_iter().map(|dispute| dispute.read(currency)).collect();
        let instrument = self.instrument.map(WireInstrument::read);
        let amount = Money::new(self.amount, currency);
        Ok(ProviderSnapshot { reference: self.id, state, amount, refunds, disputes, instrument })
    }

    fn state(&self, currency: Currency) -> Result<ProviderState, &'static str> {
        Ok(match self.status.as_str() {
            "requires_action" => {
                let redirect_url = self.redirect_url.clone().ok_or("action without redirect_url")?;
                ProviderState::RequiresAction { redirect_url }
            }
            "processing" => ProviderState::Processing,
            "authorized" => ProviderState::Authorized,
            "partially_captured" => ProviderState::PartiallyCaptured {
                captured: Money::new(self.amount_captured, currency),
                rest_reserved: self.rest_reserved,
            },
            "captured" => ProviderState::Captured,
            "failed" => {
                let failure_code = self.failure_code.clone().unwrap_or_else(|| "unexplained".to_owned());
                let decline = Some(decline(&failure_code));
                ProviderState::Failed { failure_code, decline }
            }
            "voided" => ProviderState::Voided,
            _ => return Err("unknown status"),
        })
    }

    /// The method that is being saved, in our words.
    pub(super) fn setup(self) -> Result<SetupSnapshot, &'static str> {
        let state = match (self.status.as_str(), self.instrument) {
            ("requires_action", _) => SetupState::RequiresAction,
            ("processing", _) => SetupState::Processing,
            ("saved", Some(instrument)) => SetupState::Succeeded(instrument.read()),
            ("failed" | "saved", _) => {
                let failure_code = self.failure_code.unwrap_or_else(|| "unexplained".to_owned());
                SetupState::Failed { failure_code }
            }
            _ => return Err("unknown status"),
        };
        Ok(SetupSnapshot { reference: self.id, state })
    }

    /// What the customer has to do.
    pub(super) fn next_action(&self) -> NextAction {
        let redirect_url = self.redirect_url.clone().filter(|_| self.status == "requires_action");
        NextAction { redirect_url, ..NextAction::default() }
    }
}

impl Dispute {
    fn read(self, currency: Currency) -> ProviderDispute {
        let outcome = match self.status.as_str() {
            "won" => DisputeOutcome::Won,
            "lost" => DisputeOutcome::Lost,
            _ => DisputeOutcome::Open,
        };
        let amount = Money::new(self.amount, currency);
        ProviderDispute { reference: self.id, amount, reason: self.reason, outcome }
    }
}

impl WireInstrument {
    fn read(self) -> Instrument {
        let Self { token, kind, brand, last4, expiry_month, expiry_year } = self;
        Instrument { customer: String::new(), token, kind, brand, last4, expiry_month, expiry_year }
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
