//! Payments' events: money arrived, will not arrive, or went back.
//!
//! The effect and the inbox row are one commit, so a duplicate changes nothing. What the invoice
//! rejects (a wrong amount, a payment of somebody else) ends as a dead letter: money is involved,
//! and an operator must see it.

use bus::{CloudEvent, Consumer};
use contracts::vbwd::money::v1::Money as MoneyProto;
use contracts::vbwd::payments::v1::{PaymentCaptured, PaymentFailed, PaymentRefunded};
use eventstore::WorkerUnit;
use fault::{Code, Fault};
use ids::InvoiceId;
use invoicing_domain::{InvoiceCommand, RecordPayment, RecordPaymentFailed, RecordRefund};
use money::Money;

use crate::book::Book;
use crate::grpc::convert::money_from;

/// Follows payments.
#[derive(Clone)]
pub(crate) struct OnPayment(pub Book);

impl Consumer for OnPayment {
    fn name(&self) -> &'static str {
        "invoicing_on_payment"
    }

    fn subjects(&self) -> &'static str {
        "evt.*.payments.payment.*.v1"
    }

    async fn handle(&self, work: &mut WorkerUnit, event: &CloudEvent) -> fault::Result<()> {
        let Some((invoice, command)) = command(event)? else { return Ok(()) };
        self.0.apply(work, invoice, &[command]).await.map(drop)
    }
}

/// What an event asks of which invoice; nothing, if it is news to others only.
fn command(event: &CloudEvent) -> fault::Result<Option<(InvoiceId, InvoiceCommand)>> {
    let (invoice, command) = match event.r#type.as_str() {
        "payment.captured" => {
            let data: PaymentCaptured = event.data()?;
            let (payment_id, amount) = (parsed(&data.payment_id)?, amount(data.amount.as_ref())?);
            (data.invoice_id, InvoiceCommand::RecordPayment(RecordPayment { payment_id, amount }))
        }
        "payment.failed" => {
            let data: PaymentFailed = event.data()?;
            let (payment_id, failure_code) = (parsed(&data.payment_id)?, data.failure_code);
            let failed = RecordPaymentFailed { payment_id, failure_code };
            (data.invoice_id, InvoiceCommand::RecordPaymentFailed(failed))
        }
        "payment.refunded" => {
            let data: PaymentRefunded = event.data()?;
            let refunded_total = amount(data.refunded_total.as_ref())?;
            let refund = RecordRefund { payment_id: parsed(&data.payment_id)?, refunded_total };
            (data.invoice_id, InvoiceCommand::RecordRefund(refund))
        }
        _ => return Ok(None),
    };
    Ok(Some((parsed(&invoice)?, command)))
}

fn parsed<T: std::str::FromStr>(text: &str) -> fault::Result<T> {
    text.parse().map_err(|_| malformed())
}

fn amount(money: Option<&MoneyProto>) -> fault::Result<Money> {
    money.and_then(|money| money_from(money).ok()).ok_or_else(malformed)
}

fn malformed() -> Fault {
    Fault::new(Code::InvalidInput, "event_malformed", "The event does not say what it must.")
}
