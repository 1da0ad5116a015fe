//! Proto ↔ domain, and rejections as faults.

use contracts::vbwd::invoicing::v1 as proto;
use contracts::vbwd::money::v1::Money as MoneyProto;
use contracts::vbwd::payments::v1::{Payment, PaymentStatus};
use eventstore::Loaded;
use fault::{Code, Fault};
use ids::PaymentId;
use invoicing_domain::{
    CartError, Invoice, LINES_MAX, Line, LineStatus, PricedLine, QUANTITY_MAX, Rejection, Status,
};
use jiff::Timestamp;
use money::{Currency, Money, UnknownCurrency};

/// Longest URL to return to.
const RETURN_URL_MAX: usize = 2_048;

/// One part of the input is wrong; its code is the reason as well.
pub(crate) fn invalid(pointer: impl Into<String>, code: &'static str, message: &'static str) -> Fault {
    Fault::new(Code::InvalidInput, code, message).with_violation(pointer, code)
}

/// A rule said no.
pub(crate) fn rejected(rejection: Rejection) -> Fault {
    let fault = match &rejection {
        Rejection::NotOpened => return Fault::not_found("invoice"),
        Rejection::AlreadyPaid => Fault::rejected(rejection.code(), "The invoice is paid already."),
        Rejection::IsVoid => Fault::rejected(rejection.code(), "The invoice was given up; check out again."),
        Rejection::TooManyPayments => {
            Fault::rejected(rejection.code(), "The invoice was tried to be paid too often; check out again.")
        }
        Rejection::PaymentAmountDiffers { expected, actual } => {
            Fault::rejected(rejection.code(), "The payment is not of exactly the total.")
                .with_fact("expected", expected)
                .with_fact("actual", actual)
        }
        _ => Fault::rejected(rejection.code(), "The invoice does not allow this now."),
    };
    fault.with_source(rejection)
}

/// A cart that cannot be priced. What only a seller can have done wrong is no fault of the client.
pub(crate) fn cart_refused(error: CartError) -> Fault {
    match error {
        CartError::LinesEmpty => invalid("/lines", "lines_empty", "Name at least one line."),
        CartError::TooManyLines { count } => {
            invalid("/lines", "too_many_lines", "That is more lines than one checkout takes.")
                .with_fact("lines", count)
                .with_fact("lines_max", LINES_MAX)
        }
        CartError::QuantityOutOfRange { line, quantity } => {
            let pointer = format!("/lines/{line}/quantity");
            invalid(pointer, "quantity_out_of_range", "The quantity is out of range.")
                .with_fact("quantity", quantity)
                .with_fact("quantity_max", QUANTITY_MAX)
        }
        CartError::TotalTooLarge => invalid("/lines", "total_too_large", "The total is too large."),
        CartError::CurrencyDiffers { .. } | CartError::BelowZero { .. } => Fault::internal(error),
    }
}

/// Where a browser may be sent back to: `http` or `https`, or nowhere.
pub(crate) fn checked_return_url(text: &str) -> fault::Result<()> {
    let web = |url: url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    let fine = text.is_empty() || (text.len() <= RETURN_URL_MAX && url::Url::parse(text).is_ok_and(web));
    if fine {
        return Ok(());
    }
    Err(invalid("/return_url", "return_url_malformed", "Use an http or https address."))
}

/// To the microsecond, which is what the tables keep: a read answers what the write did.
pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let nanos = at.subsec_nanosecond();
    prost_types::Timestamp { seconds: at.as_second(), nanos: nanos - nanos % 1_000 }
}

pub(crate) fn money_proto(money: Money) -> MoneyProto {
    MoneyProto { minor: money.minor(), currency: money.currency().code().to_owned() }
}

pub(crate) fn money_from(money: &MoneyProto) -> Result<Money, UnknownCurrency> {
    Ok(Money::new(money.minor, money.currency.parse::<Currency>()?))
}

/// The invoice as its events make it.
pub(crate) fn invoice_proto(invoice: &Loaded<Invoice>) -> proto::Invoice {
    let state = &invoice.state;
    let opened = state.opened();
    proto::Invoice {
        invoice_id: invoice.id.to_string(),
        number: opened.map(|opened| opened.number.to_string()).unwrap_or_default(),
        status: status_proto(state.status()).into(),
        user_id: opened.map(|opened| opened.user_id.to_string()).unwrap_or_default(),
        lines: state.lines().iter().map(line_proto).collect(),
        total: opened.map(|opened| money_proto(opened.total)),
        issued_at: opened.map(|opened| timestamp(opened.at)),
        paid_at: state.paid_at().map(timestamp),
        payment_id: state.payment().map(|attempt| attempt.payment_id.to_string()).unwrap_or_default(),
        revision: invoice.revision,
    }
}

fn line_proto(line: &Line) -> proto::InvoiceLine {
    let sold = &line.sold;
    proto::InvoiceLine {
        line_id: sold.line_id.to_string(),
        kind: sold.kind.clone(),
        item_id: sold.item_id.clone(),
        description: sold.description.clone(),
        quantity: sold.quantity,
        unit_price: Some(money_proto(sold.unit_price)),
        total: Some(money_proto(sold.total)),
        status: line_status_proto(line.status).into(),
    }
}

/// A line of a preview: it has no id and no delivery yet.
pub(crate) fn preview_line(line: &PricedLine) -> proto::InvoiceLine {
    proto::InvoiceLine {
        line_id: String::new(),
        kind: line.kind.clone(),
        item_id: line.item_id.clone(),
        description: line.description.clone(),
        quantity: line.quantity,
        unit_price: Some(money_proto(line.unit_price)),
        total: Some(money_proto(line.total)),
        status: proto::LineStatus::Unspecified.into(),
    }
}

const fn status_proto(status: Status) -> proto::InvoiceStatus {
    match status {
        Status::Draft => proto::InvoiceStatus::Draft,
        Status::Open => proto::InvoiceStatus::Open,
        Status::Paid => proto::InvoiceStatus::Paid,
        Status::Void => proto::InvoiceStatus::Void,
        Status::Refunded => proto::InvoiceStatus::Refunded,
    }
}

const fn line_status_proto(status: LineStatus) -> proto::LineStatus {
    match status {
        LineStatus::Pending => proto::LineStatus::Pending,
        LineStatus::Fulfilled => proto::LineStatus::Fulfilled,
        LineStatus::Unfulfillable => proto::LineStatus::Unfulfillable,
        LineStatus::Reversed => proto::LineStatus::Reversed,
    }
}

/// The status that is stored under this name.
pub(crate) fn stored_status(name: &str) -> proto::InvoiceStatus {
    match name {
        "open" => proto::InvoiceStatus::Open,
        "paid" => proto::InvoiceStatus::Paid,
        "void" => proto::InvoiceStatus::Void,
        "refunded" => proto::InvoiceStatus::Refunded,
        _ => proto::InvoiceStatus::Unspecified,
    }
}

/// The status of a line that is stored under this name.
pub(crate) fn stored_line_status(name: &str) -> proto::LineStatus {
    match name {
        "pending" => proto::LineStatus::Pending,
        "fulfilled" => proto::LineStatus::Fulfilled,
        "unfulfillable" => proto::LineStatus::Unfulfillable,
        "reversed" => proto::LineStatus::Reversed,
        _ => proto::LineStatus::Unspecified,
    }
}

/// What the customer must do next.
pub(crate) fn payment_step(payment: &Payment) -> proto::PaymentStep {
    let status = payment.status();
    let redirect = status == PaymentStatus::RequiresAction && !payment.redirect_url.is_empty();
    let action = match status {
        _ if redirect => "redirect",
        PaymentStatus::Created
        | PaymentStatus::RequiresAction
        | PaymentStatus::Processing
        | PaymentStatus::Contradicted
        | PaymentStatus::PartiallyCaptured
        | PaymentStatus::Authorized => "wait",
        _ => "none",
    };
    proto::PaymentStep {
        payment_id: payment.payment_id.clone(),
        action: action.to_owned(),
        redirect_url: if redirect { payment.redirect_url.clone() } else { String::new() },
        status: payment_status(status).to_owned(),
        failure_code: payment.failure_code.clone(),
    }
}

/// The step of a payment that was never made.
pub(crate) fn failed_step(payment: PaymentId, failure_code: String) -> proto::PaymentStep {
    proto::PaymentStep {
        payment_id: payment.to_string(),
        action: "none".to_owned(),
        redirect_url: String::new(),
        status: "failed".to_owned(),
        failure_code,
    }
}

const fn payment_status(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::RequiresAction => "requires_action",
        PaymentStatus::Unspecified
        | PaymentStatus::Created
        | PaymentStatus::Processing
        | PaymentStatus::Contradicted => "processing",
        PaymentStatus::PartiallyCaptured => "partially_captured",
        PaymentStatus::Authorized => "authorized",
        PaymentStatus::Captured => "captured",
        PaymentStatus::Failed | PaymentStatus::Voided => "failed",
        PaymentStatus::PartiallyRefunded => "partially_refunded",
        PaymentStatus::Refunded => "refunded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_returned_to() {
        for fine in ["", "https://shop.example/back?x=1", "http://localhost:5173/"] {
            assert!(checked_return_url(fine).is_ok(), "{fine}");
        }
        for bad in ["javascript:alert(1)", "/back", "ftp://x.example/", "https://"] {
            let fault = checked_return_url(bad).unwrap_err();
            assert_eq!(fault.reason(), "return_url_malformed", "{bad}");
        }
    }

    #[test]
    fn a_quantity_points_at_its_line() {
        let fault = cart_refused(CartError::QuantityOutOfRange { line: 3, quantity: 0 });
        assert_eq!(
            (fault.reason(), &*fault.violations()[0].pointer),
            ("quantity_out_of_range", "/lines/3/quantity")
        );
    }

    #[test]
    fn a_redirect_without_an_address_is_a_wait() {
        let mut payment = Payment { redirect_url: "https://pay.example/".to_owned(), ..Payment::default() };
        payment.set_status(PaymentStatus::RequiresAction);
        assert_eq!(payment_step(&payment).action, "redirect");
        payment.redirect_url.clear();
        assert_eq!(payment_step(&payment).action, "wait");
        payment.set_status(PaymentStatus::Captured);
        assert_eq!((&*payment_step(&payment).action, &*payment_step(&payment).status), ("none", "captured"));
    }
}
