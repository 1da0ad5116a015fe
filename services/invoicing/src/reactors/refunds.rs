//! Giving back what was paid for nothing: undeliverable lines and surplus payments.
//!
//! The operation id follows from the event, so payments refunds once however often this runs. That
//! the money went back is recorded when payments says so.

use ids::InvoiceId;
use invoicing_domain::{LineUnfulfillable, PaymentSurplusDetected, SurplusReason};
use kernel::StoredEvent;

use super::Aftermath;
use crate::metrics;

impl Aftermath {
    /// Gives back the price of a line that cannot be delivered.
    pub(super) async fn refund_line(
        &self,
        stored: &StoredEvent,
        id: InvoiceId,
        event: &LineUnfulfillable,
    ) -> fault::Result<()> {
        if event.refund.is_zero() {
            return Ok(());
        }
        let invoice = self.book.load(stored.tenant, id).await?;
        let Some(paying) = invoice.state.payment() else { return Ok(()) };
        let context = self.book.because_of(stored, "refund_line");
        self.payments.refund(&context, paying.payment_id, event.refund, "line_unfulfillable").await?;
        metrics::refund("line_unfulfillable");
        Ok(())
    }

    /// Gives back money that nothing was owed for.
    pub(super) async fn refund_surplus(
        &self,
        stored: &StoredEvent,
        event: &PaymentSurplusDetected,
    ) -> fault::Result<()> {
        let reason = match event.reason {
            SurplusReason::AlreadyPaid => "already_paid",
            SurplusReason::Voided => "invoice_void",
        };
        let context = self.book.because_of(stored, "refund_surplus");
        self.payments.refund(&context, event.payment_id, event.amount, reason).await?;
        metrics::refund(reason);
        Ok(())
    }
}
