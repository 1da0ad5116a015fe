//! The aggregate: which rule answers which command, and what an event changes.

use jiff::Timestamp;
use kernel::Aggregate;
use money::Money;

use crate::decide;
use crate::events::{CaptureRequested, Disputed, PaymentEvent, Refunded};
use crate::snapshot::{DisputeOutcome, RefundOutcome};
use crate::state::{Capture, Dispute, Refund};
use crate::{Payment, PaymentCommand, PaymentRejection, Status};

impl Aggregate for Payment {
    const KIND: &'static str = "payment";
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Rejection = PaymentRejection;

    fn decide(&self, command: PaymentCommand, at: Timestamp) -> decide::Decision {
        match command {
            PaymentCommand::Create(terms) => decide::create(self, terms, at),
            PaymentCommand::RecordProviderState(snapshot) => decide::record_provider_state(self, &snapshot),
            PaymentCommand::RecordProviderRefusal { failure_code, decline } => {
                decide::record_provider_refusal(self, failure_code, decline)
            }
            PaymentCommand::RequestCapture(request) => decide::request_capture(self, request),
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
                self.advance(Status::RequiresAction);
                self.redirect_url = Some(action.redirect_url.clone());
            }
            PaymentEvent::ProcessingStarted(_) => self.advance(Status::Processing),
            PaymentEvent::Authorized(_) => self.advance(Status::Authorized),
            PaymentEvent::CaptureRequested(request) => {
                self.captures_requested = self.captures_requested.saturating_add(1);
                self.captures_asked.extend(request.operation_id);
                let (nth, CaptureRequested { amount, keep_rest, .. }) = (self.captures_requested, request);
                let (amount, keep_rest) = (*amount, *keep_rest);
                self.capture_requested = Some(Capture { nth, amount, keep_rest });
            }
            PaymentEvent::CaptureRefused(_) => self.capture_requested = None,
            PaymentEvent::Captured(captured) => self.take(captured.amount, false),
            PaymentEvent::PartiallyCaptured(part) => self.take(part.captured_total, part.rest_reserved),
            PaymentEvent::RestReleased(_) => {
                self.rest_reserved = false;
                self.capture_requested = None;
                self.status = self.settled();
            }
            PaymentEvent::Failed(failed) => {
                self.status = Status::Failed;
                self.failure_code = Some(failed.failure_code.clone());
                self.decline = failed.decline;
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
            PaymentEvent::DisputeOpened(dispute) => self.take_dispute(dispute, DisputeOutcome::Open),
            PaymentEvent::DisputeWon(dispute) => self.take_dispute(dispute, DisputeOutcome::Won),
            PaymentEvent::DisputeLost(dispute) => self.take_dispute(dispute, DisputeOutcome::Lost),
            PaymentEvent::Contradicted(contradiction) => {
                self.contradiction = Some(contradiction.clone());
                if self.status.is_open() {
                    self.status = Status::Contradicted;
                }
            }
        }
    }
}

impl Payment {
    /// A report that is right ends a contradiction.
    fn advance(&mut self, status: Status) {
        self.status = status;
        self.contradiction = None;
    }

    fn take(&mut self, total: Money, rest_reserved: bool) {
        self.captured = Some(total);
        self.rest_reserved = rest_reserved;
        self.capture_requested = None;
        (self.failure_code, self.decline, self.contradiction) = (None, None, None);
        self.status = self.settled();
    }

    fn take_refund(&mut self, refunded: &Refunded) {
        let done = Refund { amount: refunded.amount, outcome: RefundOutcome::Completed };
        self.refunds.insert(refunded.refund_id, done);
        self.refunded = Some(refunded.refunded_total);
        self.status = self.settled();
    }

    fn take_dispute(&mut self, disputed: &Disputed, outcome: DisputeOutcome) {
        let (amount, reason) = (disputed.amount, disputed.reason.clone());
        self.disputes.insert(disputed.dispute_reference.clone(), Dispute { amount, reason, outcome });
    }

    /// Where a payment stands from which money was taken.
    fn settled(&self) -> Status {
        let agreed = self.terms.as_ref().map(|terms| terms.amount);
        match self.refunded {
            Some(_) if self.refunded == self.captured && !self.rest_reserved => Status::Refunded,
            Some(_) => Status::PartiallyRefunded,
            None if self.captured == agreed => Status::Captured,
            None => Status::PartiallyCaptured,
        }
    }
}
