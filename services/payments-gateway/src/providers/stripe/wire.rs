//! Stripe's objects, read tolerantly: fields we do not use are not named. Written from the public
//! API reference; what a version may leave out has a default.

use std::collections::BTreeMap;

use ids::RefundId;
use money::{Currency, Money};
use payments_gateway_domain::{
    Decline, DisputeOutcome, Instrument, ProviderDispute, ProviderRefund, ProviderSnapshot, ProviderState,
    RefundOutcome,
};
use serde::Deserialize;
use serde_json::Value;

use super::{API_VERSION, CODE, declines};
use crate::provider::{Counting, Exception, News, ProviderError, SetupSnapshot, SetupState};

const fn exception(currency: &'static str, digits: u32, step: i64) -> Exception {
    Exception { currency, digits, step }
}

/// How Stripe counts otherwise than ISO 4217: ISK and UGX in hundredths that must be whole, MGA whole,
/// thousandths in tens.
const COUNTING: Counting = Counting(&[
    exception("ISK", 2, 100),
    exception("UGX", 2, 100),
    exception("MGA", 0, 1),
    exception("BHD", 3, 10),
    exception("JOD", 3, 10),
    exception("KWD", 3, 10),
    exception("OMR", 3, 10),
    exception("TND", 3, 10),
]);

/// Stripe's integer for an amount.
pub fn there(amount: Money) -> Result<i64, ProviderError> {
    COUNTING.there(amount).map_err(|_| ProviderError::Invalid { code: "amount_not_representable".to_owned() })
}

fn here(minor: i64, currency: Currency) -> Result<Money, &'static str> {
    COUNTING.here(minor, currency).map_err(|_| "an amount in parts that do not exist")
}

/// Stripe's word for the kind of a method: `stripe_card` is `card`.
pub fn kind_of(method: &str) -> &str {
    method.strip_prefix("stripe_").unwrap_or(method)
}

/// Anything with a name.
#[derive(Debug, Deserialize)]
pub struct Named {
    pub id: String,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub struct List<T> {
    pub data: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { data: Vec::new() }
    }
}

/// An object, or its name where it is not expanded.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Expandable<T> {
    Object(Box<T>),
    Name(String),
}

impl<T> Expandable<T> {
    fn object(&self) -> Option<&T> {
        match self {
            Self::Object(object) => Some(object),
            Self::Name(_) => None,
        }
    }
}

/// A payment.
#[derive(Debug, Deserialize)]
pub struct PaymentIntent {
    id: String,
    status: String,
    amount: i64,
    #[serde(default)]
    amount_received: Option<i64>,
    currency: String,
    #[serde(default)]
    pub client_secret: Option<String>,
    #[serde(default)]
    customer: Option<Expandable<Named>>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    payment_method_types: Vec<String>,
    #[serde(default)]
    payment_method: Option<Expandable<PaymentMethod>>,
    #[serde(default)]
    setup_future_usage: Option<String>,
    #[serde(default)]
    last_payment_error: Option<LastError>,
    #[serde(default)]
    next_action: Option<Value>,
    #[serde(default)]
    latest_charge: Option<Expandable<Charge>>,
}

/// What of a charge matters here.
#[derive(Debug, Deserialize)]
pub struct Charge {
    #[serde(default)]
    disputed: bool,
    #[serde(default)]
    amount: Option<i64>,
    #[serde(default)]
    amount_captured: Option<i64>,
    #[serde(default)]
    captured: bool,
}

/// Why the last attempt failed.
#[derive(Debug, Deserialize)]
pub struct LastError {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
}

/// A method that can be charged again.
#[derive(Debug, Deserialize)]
pub struct PaymentMethod {
    id: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(flatten)]
    details: BTreeMap<String, Value>,
}

/// A method that is being saved.
#[derive(Debug, Deserialize)]
pub struct SetupIntent {
    id: String,
    status: String,
    #[serde(default)]
    pub client_secret: Option<String>,
    #[serde(default)]
    customer: Option<Expandable<Named>>,
    #[serde(default)]
    payment_method: Option<Expandable<PaymentMethod>>,
    #[serde(default)]
    next_action: Option<Value>,
    #[serde(default)]
    last_setup_error: Option<LastError>,
}

/// A refund.
#[derive(Debug, Deserialize)]
pub struct Refund {
    id: String,
    amount: i64,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    failure_reason: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// A dispute.
#[derive(Debug, Deserialize)]
pub struct Dispute {
    id: String,
    amount: i64,
    currency: String,
    status: String,
    #[serde(default)]
    reason: String,
}

/// A webhook.
#[derive(Debug, Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub created: i64,
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    livemode: bool,
    data: EventData,
}

#[derive(Debug, Deserialize)]
struct EventData {
    object: Value,
}

fn redirect_url(next_action: Option<&Value>) -> Option<String> {
    next_action?["redirect_to_url"]["url"].as_str().map(str::to_owned)
}

fn wants_the_customer(status: &str) -> bool {
    matches!(
        status,
        "requires_payment_method" | "requires_confirmation" | "requires_action" | "requires_source"
    )
}

impl LastError {
    fn word(&self) -> String {
        let word = self.decline_code.clone().or_else(|| self.code.clone());
        word.unwrap_or_else(|| "unexplained".to_owned())
    }
}

impl PaymentIntent {
    pub fn took_money(&self) -> bool {
        self.status == "succeeded"
    }

    pub fn is_disputed(&self) -> bool {
        let charge = self.latest_charge.as_ref().and_then(Expandable::object);
        self.took_money() && charge.is_some_and(|charge| charge.disputed)
    }

    pub fn wants_the_customer(&self) -> bool {
        wants_the_customer(&self.status)
    }

    pub fn redirect_url(&self) -> Option<String> {
        redirect_url(self.next_action.as_ref()).filter(|_| self.status == "requires_action")
    }

    /// The payment in our words, or what about it we cannot read.
    pub fn snapshot(
        &self,
        refunds: &[Refund],
        disputes: &[Dispute],
    ) -> Result<ProviderSnapshot, &'static str> {
        let currency = currency(&self.currency)?;
        let (asked, received) = (here(self.amount, currency)?, here(self.received()?, currency)?);
        // More than was asked for is other money: the rules see it as such.
        let amount = if received.minor() > asked.minor() { received } else { asked };
        let state = self.state(asked, received)?;
        Ok(ProviderSnapshot {
            reference: self.id.clone(),
            state,
            amount,
            refunds: refunds.iter().map(|refund| refund.read(currency)).collect::<Result<_, _>>()?,
            disputes: disputes
                .iter()
                .filter_map(|dispute| dispute.read().transpose())
                .collect::<Result<_, _>>()?,
            instrument: self.instrument(),
        })
    }

    /// What was taken: the intent says it, or its charge does. Where neither says it, nothing may be
    /// assumed.
    fn received(&self) -> Result<i64, &'static str> {
        let charge = self.latest_charge.as_ref().and_then(Expandable::object);
        let of_charge =
            |charge: &Charge| charge.amount_captured.or_else(|| charge.amount.filter(|_| charge.captured));
        match self.amount_received.or_else(|| charge.and_then(of_charge)) {
            Some(received) => Ok(received),
            None if self.took_money() => Err("a payment that does not say what was taken"),
            None => Ok(0),
        }
    }

    fn state(&self, asked: Money, received: Money) -> Result<ProviderState, &'static str> {
        Ok(match self.status.as_str() {
            "requires_payment_method" | "requires_source" => self.unpaid(),
            "requires_confirmation" | "requires_action" | "requires_source_action" => {
                ProviderState::RequiresAction { redirect_url: self.redirect_url().unwrap_or_default() }
            }
            "processing" => ProviderState::Processing,
            "requires_capture" => ProviderState::Authorized,
            "succeeded" if received.minor() < asked.minor() => {
                ProviderState::PartiallyCaptured { captured: received, rest_reserved: false }
            }
            "succeeded" => ProviderState::Captured,
            "canceled" => ProviderState::Voided,
            _ => return Err("unknown status"),
        })
    }

    /// A customer who is there may try another card; one who is away, or whose bank debit bounced
    /// days later, may not.
    fn unpaid(&self) -> ProviderState {
        let away = self.metadata.get("vbwd_off_session").is_some_and(|away| away == "true");
        let delayed = self.payment_method_types.iter().any(|kind| kind != "card");
        match &self.last_payment_error {
            Some(error) if away || delayed => {
                let failure_code = error.word();
                let decline: Option<Decline> = Some(declines::decline(&failure_code));
                ProviderState::Failed { failure_code, decline }
            }
            _ => ProviderState::RequiresAction { redirect_url: String::new() },
        }
    }

    fn instrument(&self) -> Option<Instrument> {
        self.setup_future_usage.as_ref()?;
        let method = self.payment_method.as_ref()?.object()?;
        Some(method.instrument(self.customer.as_ref()))
    }
}

impl PaymentMethod {
    fn instrument(&self, customer: Option<&Expandable<Named>>) -> Instrument {
        let details = self.details.get(&self.kind).cloned().unwrap_or_default();
        let text = |field: &str| details[field].as_str().unwrap_or_default().to_owned();
        let number = |field: &str| details[field].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let brand = ["brand", "bank_name", "bank_code"].map(text).into_iter().find(|brand| !brand.is_empty());
        Instrument {
            customer: match customer {
                Some(Expandable::Name(name)) => name.clone(),
                Some(Expandable::Object(customer)) => customer.id.clone(),
                None => String::new(),
            },
            token: self.id.clone(),
            kind: self.kind.clone(),
            brand: brand.unwrap_or_default(),
            last4: text("last4"),
            expiry_month: number("exp_month"),
            expiry_year: number("exp_year"),
        }
    }
}

impl SetupIntent {
    pub fn wants_the_customer(&self) -> bool {
        wants_the_customer(&self.status)
    }

    pub fn redirect_url(&self) -> Option<String> {
        redirect_url(self.next_action.as_ref()).filter(|_| self.status == "requires_action")
    }

    /// The set-up in our words, or what about it we cannot read.
    pub fn snapshot(&self) -> Result<SetupSnapshot, &'static str> {
        let state = match self.status.as_str() {
            status if wants_the_customer(status) => SetupState::RequiresAction,
            "processing" => SetupState::Processing,
            "succeeded" => {
                let method = self.payment_method.as_ref().and_then(Expandable::object);
                let method = method.ok_or("a set-up without its method")?;
                SetupState::Succeeded(method.instrument(self.customer.as_ref()))
            }
            "canceled" => {
                let word = self.last_setup_error.as_ref().map(LastError::word);
                SetupState::Failed { failure_code: word.unwrap_or_else(|| "canceled".to_owned()) }
            }
            _ => return Err("unknown status"),
        };
        Ok(SetupSnapshot { reference: self.id.clone(), state })
    }
}

impl Refund {
    /// A refund that does not carry our id was made in the dashboard and gets one that follows from
    /// Stripe's.
    pub fn read(&self, currency: Currency) -> Result<ProviderRefund, &'static str> {
        let ours = self.metadata.get("vbwd_refund_id").and_then(|id| id.parse().ok());
        let outcome = match self.status.as_deref() {
            Some("succeeded") => RefundOutcome::Completed,
            Some("failed" | "canceled") => {
                let failure_code = self.failure_reason.clone().unwrap_or_else(|| "refund_failed".to_owned());
                RefundOutcome::Failed { failure_code }
            }
            _ => RefundOutcome::Pending,
        };
        Ok(ProviderRefund {
            refund_id: ours.unwrap_or_else(|| RefundId::derived(&[CODE, &self.id])),
            amount: here(self.amount, currency)?,
            outcome,
        })
    }
}

impl Dispute {
    /// A dispute in our words; nothing for an inquiry, which holds no money.
    fn read(&self) -> Result<Option<ProviderDispute>, &'static str> {
        let outcome = match self.status.as_str() {
            "won" => DisputeOutcome::Won,
            "lost" => DisputeOutcome::Lost,
            status if status.starts_with("warning_") => return Ok(None),
            _ => DisputeOutcome::Open,
        };
        let amount = here(self.amount, currency(&self.currency)?)?;
        Ok(Some(ProviderDispute { reference: self.id.clone(), amount, reason: self.reason.clone(), outcome }))
    }
}

impl Event {
    /// What it is about. Objects of another version of the API, and those that tell only a part, are
    /// read again.
    pub fn news(self, live: bool) -> Result<News, &'static str> {
        if self.livemode != live {
            return Ok(News::Nothing);
        }
        let object = &self.data.object;
        let text = |field: &str| object[field].as_str().map(str::to_owned);
        let ours = |field: &str| object["metadata"][field].as_str();
        match self.kind.split_once('.').map(|(family, _)| family) {
            Some("payment_intent") => {
                let Some(payment_id) = ours("vbwd_payment_id").map(|id| id.parse().ok()) else {
                    return Ok(News::Nothing); // the account is also used by others
                };
                let reference = text("id").ok_or("a payment without id")?;
                let doubtful = self.api_version.as_deref() != Some(API_VERSION);
                if doubtful || text("setup_future_usage").is_some() {
                    return Ok(News::PaymentChanged { payment_id, reference });
                }
                let intent: PaymentIntent =
                    serde_json::from_value(self.data.object).map_err(|_| "not a payment")?;
                Ok(News::Payment { payment_id, snapshot: Box::new(intent.snapshot(&[], &[])?) })
            }
            Some("charge" | "refund") => Ok(match text("payment_intent") {
                Some(reference) => News::PaymentChanged { payment_id: None, reference },
                None => News::Nothing,
            }),
            Some("setup_intent") => match (ours("vbwd_setup_id"), text("id")) {
                (Some(id), Some(reference)) => {
                    Ok(News::SetupChanged { setup_id: id.parse().ok(), reference })
                }
                _ => Ok(News::Nothing),
            },
            _ => Ok(News::Nothing),
        }
    }
}

fn currency(code: &str) -> Result<Currency, &'static str> {
    code.to_ascii_uppercase().parse().map_err(|_| "unknown currency")
}
