//! Messages to domain and back.

use contracts::vbwd::money::v1::Money as MoneyProto;
use contracts::vbwd::payments::v1 as proto;
use fault::Fault;
use ids::PaymentId;
use jiff::Timestamp;
use money::Money;
use payments_gateway_domain::{CaptureMode, Decline, DeclineClass, Status, Terms};

use crate::provider::NextAction;
use crate::providers::Offered;
use crate::table::PaymentRow;
use crate::table::saved_methods::SavedMethod;
use crate::table::setups::{Progress, Setup};

/// The payment an rpc is about. A text that is no id names no payment.
pub(crate) fn payment_id(text: &str) -> fault::Result<PaymentId> {
    text.parse().map_err(|_| Fault::not_found("payment"))
}

/// What is asked to be collected; the provider is found later and not named yet.
pub(crate) fn terms(message: proto::CreatePaymentRequest) -> fault::Result<Terms> {
    let id = |pointer: &'static str| move |_| Fault::invalid(pointer, "malformed", "An id is malformed.");
    let amount = optional_money(message.amount.as_ref())?
        .ok_or_else(|| Fault::invalid("/amount", "required", "An amount is needed."))?;
    let saved_method = Some(message.payment_method_id.as_str()).filter(|text| !text.is_empty());
    let capture = match message.capture() {
        proto::CaptureMode::Manual => CaptureMode::Manual,
        proto::CaptureMode::Unspecified | proto::CaptureMode::Automatic => CaptureMode::Automatic,
    };
    Ok(Terms {
        invoice_id: message.invoice_id.parse().map_err(id("/invoice_id"))?,
        user_id: message.user_id.parse().map_err(id("/user_id"))?,
        amount,
        method: message.method,
        provider: String::new(),
        return_url: message.return_url,
        description: message.description,
        capture,
        saved_method: saved_method.map(str::parse).transpose().map_err(id("/payment_method_id"))?,
        off_session: message.off_session,
        save_method: message.save_method,
    })
}

/// An amount, if one was given.
pub(crate) fn optional_money(message: Option<&MoneyProto>) -> fault::Result<Option<Money>> {
    let Some(message) = message else { return Ok(None) };
    let currency = message
        .currency
        .parse()
        .map_err(|_| Fault::invalid("/amount/currency", "unknown_currency", "There is no such currency."))?;
    Ok(Some(Money::new(message.minor, currency)))
}

/// An amount as a message.
pub(crate) fn money_proto(money: Money) -> MoneyProto {
    MoneyProto { minor: money.minor(), currency: money.currency().code().to_owned() }
}

/// A payment as a message.
pub(crate) fn payment_proto(row: &PaymentRow) -> proto::Payment {
    proto::Payment {
        payment_id: row.payment_id.to_string(),
        invoice_id: row.invoice_id.to_string(),
        status: status_proto(row.status).into(),
        amount: Some(money_proto(row.amount)),
        refunded: Some(money_proto(row.refunded)),
        method: row.method.clone(),
        provider: row.provider.clone(),
        redirect_url: row.redirect_url.clone().unwrap_or_default(),
        failure_code: row.failure_code.clone().unwrap_or_default(),
        created_at: Some(timestamp(row.created_at)),
        revision: row.revision,
        captured: Some(money_proto(row.captured)),
        disputed: Some(money_proto(row.disputed)),
        decline: row.decline.map_or_else(String::new, |decline| decline.name().to_owned()),
        decline_class: class_proto(row.decline).into(),
        contradicted_by: row.contradicted_by.map(money_proto),
    }
}

/// A way to pay as a message, with its fee for an amount, in the words of a locale.
pub(crate) fn method_proto(offer: Offered, amount: Option<Money>, locale: &str) -> proto::PaymentMethod {
    let Offered { provider, method, rule } = offer;
    let narrowed = |ours: &[String], theirs: &[&str]| {
        let theirs = || theirs.iter().map(|text| (*text).to_owned()).collect();
        if ours.is_empty() { theirs() } else { ours.to_vec() }
    };
    let words = rule.words(locale);
    let fee = amount.and_then(|amount| rule.fee(amount));
    let payer = if rule.customer_pays_fee { "customer" } else { "merchant" };
    proto::PaymentMethod {
        code: method.code.to_owned(),
        name: words.map_or(method.name, |words| &words.name).to_owned(),
        provider: provider.code().to_owned(),
        currencies: narrowed(&rule.currencies, method.currencies),
        countries: narrowed(&rule.countries, method.countries),
        description: words.map_or_else(String::new, |words| words.description.clone()),
        fee: fee.map(money_proto),
        fee_payer: fee.map_or("", |_| payer).to_owned(),
        saves: method.saves,
    }
}

/// An instant as a message.
pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

const fn status_proto(status: Status) -> proto::PaymentStatus {
    match status {
        Status::Created => proto::PaymentStatus::Created,
        Status::RequiresAction => proto::PaymentStatus::RequiresAction,
        Status::Processing => proto::PaymentStatus::Processing,
        Status::Authorized => proto::PaymentStatus::Authorized,
        Status::Captured => proto::PaymentStatus::Captured,
        Status::Failed => proto::PaymentStatus::Failed,
        Status::Voided => proto::PaymentStatus::Voided,
        Status::PartiallyRefunded => proto::PaymentStatus::PartiallyRefunded,
        Status::Refunded => proto::PaymentStatus::Refunded,
        Status::PartiallyCaptured => proto::PaymentStatus::PartiallyCaptured,
        Status::Contradicted => proto::PaymentStatus::Contradicted,
    }
}

fn class_proto(decline: Option<Decline>) -> proto::DeclineClass {
    match decline.map(Decline::class) {
        None => proto::DeclineClass::Unspecified,
        Some(DeclineClass::Soft) => proto::DeclineClass::Soft,
        Some(DeclineClass::Hard) => proto::DeclineClass::Hard,
        Some(DeclineClass::Authentication) => proto::DeclineClass::Authentication,
    }
}

/// What the customer has to do, as a message; `open` says whether anything is left to do at all.
pub(crate) fn action_proto(provider: &str, open: bool, action: NextAction) -> proto::NextAction {
    let kind = match &action {
        NextAction { redirect_url: Some(_), .. } => "redirect",
        NextAction { client_secret: Some(_), .. } => "confirm",
        _ if open => "wait",
        _ => "none",
    };
    proto::NextAction {
        kind: kind.to_owned(),
        redirect_url: action.redirect_url.unwrap_or_default(),
        client_secret: action.client_secret.unwrap_or_default(),
        publishable_key: action.publishable_key.unwrap_or_default(),
        provider: provider.to_owned(),
    }
}

/// A saved method as a message.
pub(crate) fn saved_proto(method: SavedMethod) -> proto::SavedMethod {
    proto::SavedMethod {
        payment_method_id: method.payment_method_id.to_string(),
        method: method.method,
        provider: method.provider,
        kind: method.instrument.kind,
        brand: method.instrument.brand,
        last4: method.instrument.last4,
        expiry_month: method.instrument.expiry_month,
        expiry_year: method.instrument.expiry_year,
        is_default: method.is_default,
        created_at: Some(timestamp(method.created_at)),
    }
}

/// A set-up as a message.
pub(crate) fn setup_proto((setup, action): (Setup, NextAction)) -> proto::Setup {
    let status = match setup.status {
        Progress::Created => proto::SetupStatus::Created,
        Progress::RequiresAction => proto::SetupStatus::RequiresAction,
        Progress::Processing => proto::SetupStatus::Processing,
        Progress::Succeeded => proto::SetupStatus::Succeeded,
        Progress::Failed => proto::SetupStatus::Failed,
    };
    let action = action_proto(&setup.provider, setup.status.is_open(), action);
    proto::Setup {
        setup_id: setup.setup_id.to_string(),
        status: status.into(),
        method: setup.method,
        action: Some(action),
        payment_method_id: setup.payment_method_id.map_or_else(String::new, |id| id.to_string()),
        failure_code: setup.failure_code.unwrap_or_default(),
    }
}
