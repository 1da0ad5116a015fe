//! One reactor, so that an invoice's events are followed in their order: delivery before reversal.
//!
//! Everything it asks of others is idempotent by ids that follow from the event or the line, so an
//! event may be handled again after a crash at any point. Transient faults are tried again for ever
//! by the runner; the only final refusals are those of sellers and of the invoice itself.

use std::sync::Arc;

use eventstore::unknown_event;
use ids::InvoiceId;
use invoicing_domain::InvoiceEvent;
use kernel::StoredEvent;
use projection::Reactor;

use crate::book::Book;
use crate::payments::Payments;
use crate::sellers::Sellers;

/// Follows invoices.
#[derive(Clone)]
pub(crate) struct Aftermath {
    pub(super) book: Book,
    pub(super) sellers: Arc<Sellers>,
    pub(super) payments: Arc<Payments>,
}

impl Aftermath {
    pub(crate) const fn new(book: Book, sellers: Arc<Sellers>, payments: Arc<Payments>) -> Self {
        Self { book, sellers, payments }
    }
}

impl Reactor for Aftermath {
    fn name(&self) -> &'static str {
        "aftermath"
    }

    async fn react(&self, stored: &StoredEvent) -> fault::Result<()> {
        let invoice = InvoiceId::from_uuid(stored.stream);
        match stored.decode::<InvoiceEvent>().map_err(unknown_event)? {
            InvoiceEvent::Paid(_) => self.deliver(stored, invoice).await,
            InvoiceEvent::Refunded(_) => self.take_back(stored, invoice).await,
            InvoiceEvent::Voided(_) => self.release(stored, invoice).await,
            InvoiceEvent::LineUnfulfillable(event) => self.refund_line(stored, invoice, &event).await,
            InvoiceEvent::PaymentSurplusDetected(event) => self.refund_surplus(stored, &event).await,
            InvoiceEvent::Opened(_)
            | InvoiceEvent::PaymentStarted(_)
            | InvoiceEvent::PaymentFailed(_)
            | InvoiceEvent::RefundRecorded(_)
            | InvoiceEvent::LineFulfilled(_)
            | InvoiceEvent::LineReversed(_)
            | InvoiceEvent::Fulfilled(_) => Ok(()),
        }
    }
}
