//! What is published of the invoices' events; everything else stays private.

use bus::Outbound;
use contracts::vbwd::invoicing::v1 as proto;
use eventstore::unknown_event;
use invoicing_domain::InvoiceEvent;
use kernel::StoredEvent;

use crate::grpc::convert::{money_proto, timestamp};

/// Translates a stored event into what the world may know.
///
/// # Errors
/// An event that this program cannot read.
pub fn publish(stored: &StoredEvent) -> fault::Result<Vec<Outbound>> {
    let invoice_id = stored.stream.to_string();
    let outbound = match stored.decode::<InvoiceEvent>().map_err(unknown_event)? {
        InvoiceEvent::Opened(event) => {
            let message = proto::InvoiceOpened {
                invoice_id,
                number: event.number.to_string(),
                user_id: event.user_id.to_string(),
                total: Some(money_proto(event.total)),
                at: Some(timestamp(event.at)),
            };
            outbound(stored, ("vbwd.invoicing.v1.InvoiceOpened", &message))?
        }
        InvoiceEvent::Paid(event) => {
            let message = proto::InvoicePaid {
                invoice_id,
                number: event.number.to_string(),
                user_id: event.user_id.to_string(),
                total: Some(money_proto(event.amount)),
                payment_id: event.payment_id.map(|id| id.to_string()).unwrap_or_default(),
                at: Some(timestamp(event.at)),
            };
            outbound(stored, ("vbwd.invoicing.v1.InvoicePaid", &message))?
        }
        InvoiceEvent::Fulfilled(event) => {
            let (user_id, at) = (event.user_id.to_string(), Some(timestamp(event.at)));
            let message = proto::InvoiceFulfilled { invoice_id, user_id, at };
            outbound(stored, ("vbwd.invoicing.v1.InvoiceFulfilled", &message))?
        }
        InvoiceEvent::Voided(event) => {
            let at = Some(timestamp(event.at));
            let message = proto::InvoiceVoided { invoice_id, reason: event.reason, at };
            outbound(stored, ("vbwd.invoicing.v1.InvoiceVoided", &message))?
        }
        InvoiceEvent::PaymentStarted(_)
        | InvoiceEvent::PaymentFailed(_)
        | InvoiceEvent::PaymentSurplusDetected(_)
        | InvoiceEvent::RefundRecorded(_)
        | InvoiceEvent::Refunded(_)
        | InvoiceEvent::LineFulfilled(_)
        | InvoiceEvent::LineUnfulfillable(_)
        | InvoiceEvent::LineReversed(_) => return Ok(Vec::new()),
    };
    Ok(vec![outbound])
}

fn outbound<M: prost::Message>(stored: &StoredEvent, message: (&'static str, &M)) -> fault::Result<Outbound> {
    Outbound::of(stored, "invoicing", "invoice", &stored.name, message)
}
