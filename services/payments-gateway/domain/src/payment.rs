//! The aggregate: which rule answers which command, and what an event changes.

use jiff::Timestamp;
use kernel::Aggregate;
use money::Money;

use crate::decide;
use crate::events::{PaymentEvent, Refunded};
use crate::snapshot::RefundOutcome;
use crate::state::Refund;
use crate::{Payment, PaymentCommand, PaymentRejection, Status, Terms};

impl Aggregate for Payment {
    const KIND: &'static str = "payment";
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Rejection = PaymentRejection;

    fn decide(&self, command: PaymentCommand, at: Timestamp) -> decide::Decision {
        match command {
            PaymentCommand::Create(terms) => decide::create(self, terms, at),
            PaymentCommand::RecordProviderState(snapshot) => decide::record_provider_state(self, &snapshot),
            PaymentCommand::RecordProviderRefusal { failure_code } => {
                decide::record_provider_refusal(self, failure_code)
            }
            PaymentCommand::RequestCapture => decide::request_capture(self),
            PaymentCommand::RecordCaptureRefusal { failure_code } => {
                decide::record_capture_refusal(self, failure_code)
            }
            PaymentCommand::RequestVoid => decide::request_void(self),
            PaymentCommand::Expire { voidable } => decide::expire(self, voidable),
            PaymentCommand::RequestRefund(request) => decide::request_refund(self, request),
            PaymentCommand::RecordRefundRefusal { refund_id, failure_code } => {
                decide::record_refund_refusal(self, refund_id, failure_code)
            }
        }
    }

    fn evolve(&mut self, event: &PaymentEvent) {
        match event {
            PaymentEvent::Created(created) => {
                self.terms = Some(created.terms.clone());
                self.created_at = Some(created.created_at);
            }
            PaymentEvent::ProviderAccepted(accepted) => {
                self.provider_reference = Some(accepted.provider_reference.clone());
            }
            PaymentEvent::ActionRequired(action) => {
                self.status = Status::RequiresAction;
                self.redirect_url = Some(action.redirect_url.clone());
            }
            PaymentEvent::ProcessingStarted(_) => self.status = Status::Processing,
            PaymentEvent::Authorized(_) => self.status = Status::Authorized,
            PaymentEvent::CaptureRequested(_) => self.capture_requested = true,
            PaymentEvent::CaptureRefused(_) => self.capture_requested = false,
            PaymentEvent::Captured(_) => {
                self.status = Status::Captured;
                self.failure_code = None;
            }
            PaymentEvent::Failed(failed) => {
                self.status = Status::Failed;
                self.failure_code = Some(failed.failure_code.clone());
            }
            PaymentEvent::VoidRequested(request) => self.void_requested = Some(request.reason),
            PaymentEvent::Voided(_) => self.status = Status::Voided,
            PaymentEvent::RefundRequested(refund) => {
                let pending = Refund { amount: refund.amount, outcome: RefundOutcome::Pending };
                self.refunds.insert(refund.refund_id, pending);
            }
            PaymentEvent::Refunded(refunded) => self.take_refund(refunded),
            PaymentEvent::RefundFailed(failed) => {
                if let Some(refund) = self.refunds.get_mut(&failed.refund_id) {
                    refund.outcome = RefundOutcome::Failed { failure_code: failed.failure_code.clone() };
                }
            }
        }
    }
}

impl Payment {
    fn take_refund(&mut self, refunded: &Refunded) {
        let done = Refund { amount: refunded.amount, outcome: RefundOutcome::Completed };
        self.refunds.insert(refunded.refund_id, done);
        self.refunded = Some(refunded.refunded_total);
        let whole = self.terms.as_ref().map(Terms::captured) == Some(refunded.refunded_total);
        self.status = if whole { Status::Refunded } else { Status::PartiallyRefunded };
    }
}

impl Terms {
    /// What a capture takes: always the whole amount.
    const fn captured(&self) -> Money {
        self.amount
    }
}
