//! Collecting money: attempts to pay an invoice, and what the customer must do next.
//!
//! An attempt is recorded before its payment is created, so a crash in between loses nothing: the
//! payment's id follows from invoice and attempt, and creating it again answers the same payment.

use std::sync::Arc;

use contracts::vbwd::invoicing::v1::{PayInvoiceRequest, PayInvoiceResponse, PaymentStep};
use contracts::vbwd::money::v1::Money as MoneyProto;
use contracts::vbwd::payments::v1::{Payment, PaymentStatus};
use eventstore::{CommandContext, Loaded, body_hash, retry_stale};
use fault::{Code, Fault};
use ids::{InvoiceId, PaymentId, UserId};
use invoicing_domain::{
    Attempt, AttemptOutcome, Invoice, InvoiceCommand, Opened, RecordPayment, RecordPaymentFailed,
    RecordRefund, Rejection, StartPayment, Status,
};
use money::Money;

use crate::book::Book;
use crate::grpc::convert::{
    checked_return_url, failed_step, invoice_proto, money_from, payment_step, rejected,
};
use crate::payments::{Payments, payment_id};

const RPC: &str = "PayInvoice";
/// How a remembered answer tells a new attempt from one that was going on.
const STARTED: &str = "started";

/// Collects.
pub(crate) struct Collection {
    pub book: Book,
    pub payments: Arc<Payments>,
}

/// An attempt chosen by a request to pay, and whether that request started it.
struct Chosen {
    payment_id: PaymentId,
    started: bool,
}

impl Collection {
    /// Starts or continues the first attempt of an invoice; `None` when nothing was due.
    pub(crate) async fn first_step(
        &self,
        context: &CommandContext,
        invoice: &Loaded<Invoice>,
    ) -> fault::Result<Option<PaymentStep>> {
        let Some(attempt) = invoice.state.attempts().first() else { return Ok(None) };
        self.step(context, invoice, attempt).await
    }

    /// Pays an open invoice of `user` again.
    ///
    /// An attempt by the same method that still waits for the customer goes on. One that the
    /// provider has declined meanwhile is closed and a new one is started.
    pub(crate) async fn pay(
        &self,
        context: &CommandContext,
        user: UserId,
        id: InvoiceId,
        request: &PayInvoiceRequest,
    ) -> fault::Result<PayInvoiceResponse> {
        checked_return_url(&request.return_url)?;
        let before = self.book.load(context.tenant, id).await?;
        let Opened { total, billing_country, .. } = own(&before, user)?;
        let (method, currency) = (request.payment_method.as_str(), total.currency());
        self.payments.check_method(context, method, currency, billing_country).await?;
        let chosen = self.choose(context, id, request, &[]).await?;
        let (invoice, step) = self.step_of(context, id, chosen.payment_id).await?;
        if chosen.started || step.status != "failed" {
            return Ok(PayInvoiceResponse { invoice: Some(invoice), payment: Some(step) });
        }
        let closed = InvoiceCommand::RecordPaymentFailed(RecordPaymentFailed {
            payment_id: chosen.payment_id,
            failure_code: step.failure_code,
        });
        let again =
            CommandContext { operation_id: runtime::operation(context, &["again"]), ..context.clone() };
        let chosen = self.choose(&again, id, request, &[closed]).await?;
        let (invoice, step) = self.step_of(&again, id, chosen.payment_id).await?;
        Ok(PayInvoiceResponse { invoice: Some(invoice), payment: Some(step) })
    }

    /// Chooses the attempt of this operation, once: a repeated request gets the same one.
    async fn choose(
        &self,
        context: &CommandContext,
        id: InvoiceId,
        request: &PayInvoiceRequest,
        first: &[InvoiceCommand],
    ) -> fault::Result<Chosen> {
        let hash = body_hash(RPC, request);
        retry_stale(8, || async {
            let mut unit = self.book.store.begin(context).await?;
            if let Some(earlier) = unit.claim::<PaymentStep>(&hash).await? {
                let payment_id = earlier.payment_id.parse().map_err(Fault::internal)?;
                return Ok(Chosen { payment_id, started: earlier.action == STARTED });
            }
            let mut invoice = unit.load::<Invoice>(id.as_uuid()).await?;
            self.book.apply_to(&mut unit, &mut invoice, first).await?;
            let going_on = going_on(&invoice.state, request).map(|attempt| attempt.payment_id);
            let started = going_on.is_none();
            let nth = invoice.state.attempts().len().saturating_add(1);
            let payment_id = going_on.unwrap_or_else(|| payment_id(id, nth));
            let start = InvoiceCommand::StartPayment(StartPayment {
                payment_id,
                method: request.payment_method.clone(),
                return_url: request.return_url.clone(),
            });
            self.book.apply_to(&mut unit, &mut invoice, &[start]).await?;
            let action = if started { STARTED } else { "continued" }.to_owned();
            let answer = PaymentStep { payment_id: payment_id.to_string(), action, ..PaymentStep::default() };
            unit.remember(&hash, &answer).await?;
            unit.commit().await?;
            Ok(Chosen { payment_id, started })
        })
        .await
    }

    async fn step_of(
        &self,
        context: &CommandContext,
        id: InvoiceId,
        payment: PaymentId,
    ) -> fault::Result<(contracts::vbwd::invoicing::v1::Invoice, PaymentStep)> {
        let invoice = self.book.load(context.tenant, id).await?;
        let attempt = invoice.state.attempt(payment);
        let attempt = attempt.ok_or_else(|| Fault::internal("the chosen attempt is gone"))?;
        let step = self.step(context, &invoice, attempt).await?;
        let step = step.ok_or_else(|| rejected(Rejection::IsVoid))?;
        Ok((invoice_proto(&invoice), step))
    }

    /// Creates the payment of an attempt, or finds it created, and says what is to be done next.
    /// For an invoice that is settled nothing is created any more; `None` if nothing was.
    async fn step(
        &self,
        context: &CommandContext,
        invoice: &Loaded<Invoice>,
        attempt: &Attempt,
    ) -> fault::Result<Option<PaymentStep>> {
        if invoice.state.status() != Status::Open {
            let payment = self.payments.fetch(context, attempt.payment_id).await?;
            return Ok(payment.as_ref().map(payment_step));
        }
        let id = InvoiceId::from_uuid(invoice.id);
        let opened = invoice.state.opened().ok_or_else(|| Fault::internal("a draft is not paid"))?;
        match self.payments.create(context, (id, opened), attempt).await {
            Ok(payment) => Ok(Some(payment_step(&payment))),
            // Payments refused for good: the attempt has failed, the invoice can be paid otherwise.
            Err(fault) if matches!(fault.code(), Code::Rejected | Code::InvalidInput | Code::NotFound) => {
                let failure_code = fault.reason().to_owned();
                let failed = RecordPaymentFailed { payment_id: attempt.payment_id, failure_code };
                let command = InvoiceCommand::RecordPaymentFailed(failed.clone());
                self.book.execute(context, id, &[command]).await?;
                Ok(Some(failed_step(failed.payment_id, failed.failure_code)))
            }
            Err(fault) => Err(fault),
        }
    }
}

/// What an answer of payments means for the attempt; nothing, as long as the payment goes on.
///
/// Money that came and went back is recorded as both in one commit, so nothing is delivered for it.
pub(crate) fn outcome(payment: &Payment, payment_id: PaymentId) -> fault::Result<Vec<InvoiceCommand>> {
    Ok(match payment.status() {
        PaymentStatus::Captured => vec![arrived(payment, payment_id)?],
        PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded => {
            let refunded_total = said(payment.refunded.as_ref())?;
            let went_back = InvoiceCommand::RecordRefund(RecordRefund { payment_id, refunded_total });
            vec![arrived(payment, payment_id)?, went_back]
        }
        PaymentStatus::Failed | PaymentStatus::Voided => {
            let failure_code = match payment.failure_code.as_str() {
                "" => "voided".to_owned(),
                code => code.to_owned(),
            };
            vec![InvoiceCommand::RecordPaymentFailed(RecordPaymentFailed { payment_id, failure_code })]
        }
        _ => Vec::new(),
    })
}

fn arrived(payment: &Payment, payment_id: PaymentId) -> fault::Result<InvoiceCommand> {
    let amount = said(payment.amount.as_ref())?;
    Ok(InvoiceCommand::RecordPayment(RecordPayment { payment_id, amount }))
}

fn said(money: Option<&MoneyProto>) -> fault::Result<Money> {
    let money = money.ok_or_else(|| Fault::internal("a payment that does not say how much"))?;
    money_from(money).map_err(Fault::internal)
}

/// The invoice must be the user's own; of a foreign one nothing is told, not even that it exists.
pub(crate) fn own(invoice: &Loaded<Invoice>, user: UserId) -> fault::Result<&Opened> {
    let opened = invoice.state.opened().filter(|opened| opened.user_id == user);
    opened.ok_or_else(|| Fault::not_found("invoice"))
}

/// The latest attempt, if it waits for the customer and is the one asked for.
fn going_on<'a>(invoice: &'a Invoice, request: &PayInvoiceRequest) -> Option<&'a Attempt> {
    invoice.attempts().last().filter(|attempt| {
        invoice.status() == Status::Open
            && attempt.outcome == AttemptOutcome::Pending
            && attempt.method == request.payment_method
            && attempt.return_url == request.return_url
    })
}
