//! What of the stored events is published, and as which message. The match is exhaustive: a new
//! event must be decided on here. A payment that was given up is published as failed, because to
//! its invoice both mean the same.

use bus::Outbound;
use contracts::vbwd::payments::v1 as proto;
use eventstore::unknown_event;
use ids::InvoiceId;
use kernel::StoredEvent;
use payments_gateway_domain::PaymentEvent;

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
        PaymentEvent::Failed(event) => failed(stored, event.invoice_id, event.failure_code),
        PaymentEvent::Voided(event) => failed(stored, event.invoice_id, VOIDED.to_owned()),
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
        | PaymentEvent::VoidRequested(_)
        | PaymentEvent::RefundRequested(_)
        | PaymentEvent::RefundFailed(_) => return Ok(Vec::new()),
    };
    Ok(vec![published?])
}

fn failed(stored: &StoredEvent, invoice: InvoiceId, failure_code: String) -> fault::Result<Outbound> {
    let message = proto::PaymentFailed {
        payment_id: stored.stream.to_string(),
        invoice_id: invoice.to_string(),
        failure_code,
        at: Some(timestamp(stored.metadata.at)),
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
