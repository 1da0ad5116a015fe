//! The invoice as an aggregate: which command goes where, and what each event changes.

use jiff::Timestamp;
use kernel::Aggregate;

use crate::state::{Attempt, AttemptOutcome, Invoice, Line, LineStatus, Opened, Status};
use crate::{InvoiceCommand, InvoiceEvent, InvoiceOpened, Rejection, decide};

impl Aggregate for Invoice {
    const KIND: &'static str = "invoice";
    type Command = InvoiceCommand;
    type Event = InvoiceEvent;
    type Rejection = Rejection;

    fn decide(&self, command: InvoiceCommand, at: Timestamp) -> Result<Vec<InvoiceEvent>, Rejection> {
        match command {
            InvoiceCommand::Open(command) => decide::open_invoice(self, command, at),
            InvoiceCommand::StartPayment(command) => decide::start_payment(self, command),
            InvoiceCommand::RecordPayment(command) => decide::record_payment(self, &command, at),
            InvoiceCommand::RecordPaymentFailed(command) => decide::record_payment_failed(self, command),
            InvoiceCommand::RecordRefund(command) => decide::record_refund(self, &command, at),
            InvoiceCommand::MarkLineFulfilled(command) => decide::mark_line_fulfilled(self, command, at),
            InvoiceCommand::MarkLineUnfulfillable(command) => decide::mark_line_unfulfillable(self, command),
            InvoiceCommand::MarkLineReversed(command) => decide::mark_line_reversed(self, command),
            InvoiceCommand::Void(command) => decide::void(self, command, at),
        }
    }

    fn evolve(&mut self, event: &InvoiceEvent) {
        match event {
            InvoiceEvent::Opened(event) => self.open(event),
            InvoiceEvent::PaymentStarted(event) => self.attempts.push(Attempt {
                payment_id: event.payment_id,
                method: event.method.clone(),
                return_url: event.return_url.clone(),
                outcome: AttemptOutcome::Pending,
                captured: None,
                refunded_minor: 0,
            }),
            InvoiceEvent::PaymentFailed(event) => {
                let outcome = AttemptOutcome::Failed(event.failure_code.clone());
                self.with_attempt(event.payment_id, |attempt| attempt.outcome = outcome);
            }
            InvoiceEvent::Paid(event) => {
                (self.status, self.paid_at) = (Status::Paid, Some(event.at));
                if let Some(payment) = event.payment_id {
                    self.captured(payment, event.amount, AttemptOutcome::Paid);
                }
            }
            InvoiceEvent::PaymentSurplusDetected(event) => {
                self.captured(event.payment_id, event.amount, AttemptOutcome::Surplus);
            }
            InvoiceEvent::RefundRecorded(event) => {
                let minor = event.refunded_total.minor();
                self.with_attempt(event.payment_id, |attempt| attempt.refunded_minor = minor);
            }
            InvoiceEvent::Refunded(_) => self.status = Status::Refunded,
            InvoiceEvent::LineFulfilled(event) => self.set_line(event.line_id, LineStatus::Fulfilled),
            InvoiceEvent::LineUnfulfillable(event) => self.set_line(event.line_id, LineStatus::Unfulfillable),
            InvoiceEvent::LineReversed(event) => self.set_line(event.line_id, LineStatus::Reversed),
            InvoiceEvent::Fulfilled(_) => {} // follows from the lines
            InvoiceEvent::Voided(_) => self.status = Status::Void,
        }
    }
}

impl Invoice {
    fn open(&mut self, event: &InvoiceOpened) {
        self.status = Status::Open;
        self.opened = Some(Opened {
            number: event.number.clone(),
            user_id: event.user_id,
            total: event.total,
            billing_country: event.billing_country.clone(),
            due_at: event.due_at,
            at: event.at,
        });
        let pending = |sold: &crate::OpenedLine| Line { sold: sold.clone(), status: LineStatus::Pending };
        self.lines = event.lines.iter().map(pending).collect();
    }

    fn captured(&mut self, payment: ids::PaymentId, amount: money::Money, outcome: AttemptOutcome) {
        self.with_attempt(payment, |attempt| {
            attempt.captured = Some(amount);
            attempt.outcome = outcome;
        });
    }

    fn with_attempt(&mut self, payment: ids::PaymentId, change: impl FnOnce(&mut Attempt)) {
        if let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.payment_id == payment) {
            change(attempt);
        }
    }

    fn set_line(&mut self, line: ids::LineId, status: LineStatus) {
        if let Some(line) = self.lines.iter_mut().find(|known| known.sold.line_id == line) {
            line.status = status;
        }
    }
}
