//! From the domain's "no" to a fault, with its facts.

use fault::{Code, Fault};
use payments_gateway_domain::{Contradicted, PaymentRejection};

/// The fault of a rejection.
pub(crate) fn refused(rejection: PaymentRejection) -> Fault {
    let (code, message) = (rejection.code(), rejection.to_string());
    let kind = match &rejection {
        PaymentRejection::Unknown => return Fault::not_found("payment"),
        PaymentRejection::RefundUnknown { .. } => Code::NotFound,
        PaymentRejection::AmountNotPositive
        | PaymentRejection::CaptureNotPositive
        | PaymentRejection::RefundNotPositive => {
            return Fault::invalid("/amount", code, message);
        }
        PaymentRejection::TermsDiffer => Code::AlreadyExists,
        PaymentRejection::RefundDiffers { .. } => Code::OperationReused,
        _ => Code::Rejected,
    };
    with_facts(Fault::new(kind, code, message), &rejection)
}

/// The fault of a webhook that says something that cannot be: its own codes, `webhook_…`.
pub(crate) fn webhook_refused(rejection: &PaymentRejection) -> Fault {
    let (code, message) = (format!("webhook_{}", rejection.code()), rejection.to_string());
    with_facts(Fault::rejected(code, message), rejection)
}

/// The fault of a webhook that speaks of other money than was agreed.
pub(crate) fn other_money(contradiction: &Contradicted) -> Fault {
    let Contradicted { expected, reported, .. } = contradiction;
    let same_currency = expected.currency() == reported.currency();
    let code = if same_currency { "webhook_amount_mismatch" } else { "webhook_currency_mismatch" };
    let message = format!("the provider reports {reported}, expected {expected}");
    Fault::rejected(code, message).with_fact("expected", expected).with_fact("reported", reported)
}

fn with_facts(fault: Fault, rejection: &PaymentRejection) -> Fault {
    match rejection {
        PaymentRejection::CurrencyMismatch { expected, reported } => {
            fault.with_fact("expected", expected).with_fact("reported", reported)
        }
        PaymentRejection::NotCapturable { status }
        | PaymentRejection::NotVoidable { status }
        | PaymentRejection::NotRefundable { status } => fault.with_fact("status", status.name()),
        PaymentRejection::RefundExceedsCapture { refundable } => fault.with_fact("refundable", refundable),
        PaymentRejection::CaptureExceedsReserved { capturable } => fault.with_fact("capturable", capturable),
        PaymentRejection::RefundDiffers { amount } => fault.with_fact("amount", amount),
        _ => fault,
    }
}
