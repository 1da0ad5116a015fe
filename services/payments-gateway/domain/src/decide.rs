//! One rule per file, and the guards that several rules share.

mod create;
mod expire;
mod record_capture_refusal;
mod record_provider_refusal;
mod record_provider_state;
mod record_refund_refusal;
mod request_capture;
mod request_refund;
mod request_void;

pub use create::create;
pub use expire::expire;
pub use record_capture_refusal::record_capture_refusal;
pub use record_provider_refusal::record_provider_refusal;
pub use record_provider_state::record_provider_state;
pub use record_refund_refusal::record_refund_refusal;
pub use request_capture::request_capture;
pub use request_refund::request_refund;
pub use request_void::request_void;

use money::Money;

use crate::{Decline, Failed, Payment, PaymentEvent, PaymentRejection, Terms};

/// Events, or the rule that refuses.
pub type Decision = Result<Vec<PaymentEvent>, PaymentRejection>;

/// The terms of a payment that exists.
fn known(payment: &Payment) -> Result<&Terms, PaymentRejection> {
    payment.terms.as_ref().ok_or(PaymentRejection::Unknown)
}

/// An amount that is asked for must be positive, in the payment's currency, and not more than `most`.
fn within(
    asked: Money,
    most: Money,
    (nothing, too_much): (PaymentRejection, PaymentRejection),
) -> Result<Money, PaymentRejection> {
    match asked {
        _ if asked.currency() != most.currency() => {
            let (expected, reported) = (most.currency(), asked.currency());
            Err(PaymentRejection::CurrencyMismatch { expected, reported })
        }
        _ if !asked.is_positive() => Err(nothing),
        _ if asked.minor() > most.minor() => Err(too_much),
        _ => Ok(asked),
    }
}

const fn failed(terms: &Terms, failure_code: String, decline: Option<Decline>) -> PaymentEvent {
    PaymentEvent::Failed(Failed { invoice_id: terms.invoice_id, failure_code, decline })
}
