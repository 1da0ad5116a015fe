//! What of the stored events is published, and as which message. The match is exhaustive: a new
//! event must be decided on here. A payment that was given up is published as failed, because to
//! its invoice both mean the same.

use bus::Outbound;
use contracts::vbwd::payments::v1 as proto;
use eventstore::unknown_event;
use kernel::StoredEvent;
use payments_gateway_domain::{Failed, PaymentEvent, Voided};

use crate::NAME;
use crate::grpc::convert::{money_proto, timestamp};

/// Failure code of a payment that was given up.
const VOIDED: &str = "voided";

/// The published form of a stored event.
///
/// # Errors
/// An event that this program cannot read.
pub fn publish(stored: &StoredEvent) -> fault::Result<Vec<Outbound>> {
    let published = match stored.decode::<PaymentEvent>().map_err(unknown_event)? {
        PaymentEvent::Captured(event) => {
            let message = proto::PaymentCaptured {
                payment_id: stored.stream.to_string(),
                invoice_id: event.invoice_id.to_string(),
                amount: Some(money_proto(event.amount)),
                provider: event.provider,
                at: Some(timestamp(stored.metadata.at)),
            };
            outbound(stored, "payment.captured", ("vbwd.payments.v1.PaymentCaptured", &message))
        }
        PaymentEvent::PartiallyCaptured(event) => {
            let message = proto::PaymentPartiallyCaptured {
                payment_id: stored.stream.to_string(),
                invoice_id: event.invoice_id.to_string(),
                amount: Some(money_proto(event.amount)),
                captured_total: Some(money_proto(event.captured_total)),
                provider: event.provider,
                rest_reserved: event.rest_reserved,
                at: Some(timestamp(stored.metadata.at)),
            };
            let message = ("vbwd.payments.v1.PaymentPartiallyCaptured", &message);
            outbound(stored, "payment.partially_captured", message)
        }
        PaymentEvent::Failed(event) => failed(stored, event),
        PaymentEvent::Voided(Voided { invoice_id }) => {
            failed(stored, Failed { invoice_id, failure_code: VOIDED.to_owned(), decline: None })
        }
        PaymentEvent::DisputeOpened(event) => {
            let message = proto::PaymentDisputeOpened {
                payment_id: stored.stream.to_string(),
                invoice_id: event.invoice_id.to_string(),
                dispute_reference: event.dispute_reference,
                amount: Some(money_proto(event.amount)),
                reason: event.reason,
                at: Some(timestamp(stored.metadata.at)),
            };
            outbound(stored, "payment.dispute_opened", ("vbwd.payments.v1.PaymentDisputeOpened", &message))
        }
        PaymentEvent::DisputeWon(event) => {
            let message = proto::PaymentDisputeWon {
                payment_id: stored.stream.to_string(),
                invoice_id: event.invoice_id.to_string(),
                dispute_reference: event.dispute_reference,
                amount: Some(money_proto(event.amount)),
                at: Some(timestamp(stored.metadata.at)),
            };
            outbound(stored, "payment.dispute_won", ("vbwd.payments.v1.PaymentDisputeWon", &message))
        }
        PaymentEvent::DisputeLost(event) => {
            let message = proto::PaymentDisputeLost {
                payment_id: stored.stream.to_string(),
                invoice_id: event.invoice_id.to_string(),
                dispute_reference: event.dispute_reference,
                amount: Some(money_proto(event.amount)),
                at: Some(timestamp(stored.metadata.at)),
            };
            outbound(stored, "payment.dispute_lost", ("vbwd.payments.v1.PaymentDisputeLost", &message))
        }
        PaymentEvent::Contradicted(event) => {
            let message = proto::PaymentContradicted {
                payment_id: stored.stream.to_string(),
                invoice_id: event.invoice_id.to_string(),
                provider: event.provider,
                expected: Some(money_proto(event.expected)),
                reported: Some(money_proto(event.reported)),
                state: event.state,
                at: Some(timestamp(stored.metadata.at)),
            };
            outbound(stored, "payment.contradicted", ("vbwd.payments.v1.PaymentContradicted", &message))
        }
        PaymentEvent::Refunded(event) => {
            let message = proto::PaymentRefunded {
                payment_id: stored.stream.to_string(),
                invoice_id: event.invoice_id.to_string(),
                amount: Some(money_proto(event.amount)),
                refunded_total: Some(money_proto(event.refunded_total)),
                at: Some(timestamp(stored.metadata.at)),
            };
            outbound(stored, "payment.refunded", ("vbwd.payments.v1.PaymentRefunded", &message))
        }
        PaymentEvent::Created(_)
        | PaymentEvent::ProviderAccepted(_)
        | PaymentEvent::ActionRequired(_)
        | PaymentEvent::ProcessingStarted(_)
        | PaymentEvent::Authorized(_)
        | PaymentEvent::CaptureRequested(_)
        | PaymentEvent::CaptureRefused(_)
        | PaymentEvent::RestReleased(_)
        | PaymentEvent::VoidRequested(_)
        | PaymentEvent::RefundRequested(_)
        | PaymentEvent::RefundFailed(_) => return Ok(Vec::new()),
    };
    Ok(vec![published?])
}

fn failed(stored: &StoredEvent, event: Failed) -> fault::Result<Outbound> {
    let message = proto::PaymentFailed {
        payment_id: stored.stream.to_string(),
        invoice_id: event.invoice_id.to_string(),
        failure_code: event.failure_code,
        at: Some(timestamp(stored.metadata.at)),
        decline: event.decline.map_or_else(String::new, |decline| decline.name().to_owned()),
        decline_class: event.decline.map_or_else(String::new, |decline| decline.class().name().to_owned()),
    };
    outbound(stored, "payment.failed", ("vbwd.payments.v1.PaymentFailed", &message))
}

fn outbound<M: prost::Message>(
    stored: &StoredEvent,
    event: &str,
    message: (&'static str, &M),
) -> fault::Result<Outbound> {
    Outbound::of(stored, NAME, "payment", event, message)
}
