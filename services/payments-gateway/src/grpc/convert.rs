//! Messages to domain and back.

use contracts::vbwd::money::v1::Money as MoneyProto;
use contracts::vbwd::payments::v1 as proto;
use fault::Fault;
use ids::PaymentId;
use jiff::Timestamp;
use money::Money;
use payments_gateway_domain::{Status, Terms};

use crate::provider::Method;
use crate::providers::Providers;
use crate::table::PaymentRow;

/// The payment an rpc is about. A text that is no id names no payment.
pub(crate) fn payment_id(text: &str) -> fault::Result<PaymentId> {
    text.parse().map_err(|_| Fault::not_found("payment"))
}

/// What is to be collected, and through whom.
pub(crate) fn terms(message: proto::CreatePaymentRequest, providers: &Providers) -> fault::Result<Terms> {
    let id = |pointer: &'static str| move |_| Fault::invalid(pointer, "malformed", "An id is malformed.");
    let amount = optional_money(message.amount.as_ref())?
        .ok_or_else(|| Fault::invalid("/amount", "required", "An amount is needed."))?;
    let provider = providers.for_method(&message.method, amount.currency())?;
    Ok(Terms {
        invoice_id: message.invoice_id.parse().map_err(id("/invoice_id"))?,
        user_id: message.user_id.parse().map_err(id("/user_id"))?,
        amount,
        method: message.method,
        provider: provider.code().to_owned(),
        return_url: message.return_url,
        description: message.description,
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
    }
}

/// A way to pay as a message.
pub(crate) fn method_proto((provider, method): (&'static str, &Method)) -> proto::PaymentMethod {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    proto::PaymentMethod {
        code: method.code.to_owned(),
        name: method.name.to_owned(),
        provider: provider.to_owned(),
        currencies: texts(method.currencies),
        countries: texts(method.countries),
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
    }
}
