//! What operators do: capture, void, refund.

use contracts::vbwd::payments::v1::{
    CapturePaymentRequest, CapturePaymentResponse, RefundPaymentRequest, RefundPaymentResponse,
};
use eventstore::{CommandContext, Loaded, body_hash, retry_stale};
use fault::Fault;
use ids::{PaymentId, RefundId};
use money::Money;
use payments_gateway_domain::{
    CaptureRequest, Payment, PaymentCommand, RefundOutcome, RefundRequest, Status, Step,
};

use super::Payments;
use super::read::row_of;
use crate::grpc::convert::payment_proto;
use crate::table::PaymentRow;

/// Whether it was asked for before.
enum Asked<M> {
    Before(M),
    Now(Box<Loaded<Payment>>),
}

impl Payments {
    /// Takes what is authorised, whole or in part, once per operation id.
    pub(crate) async fn capture(
        &self,
        context: &CommandContext,
        (payment_id, amount): (PaymentId, Option<Money>),
        message: &CapturePaymentRequest,
    ) -> fault::Result<CapturePaymentResponse> {
        let hash = body_hash("CapturePayment", message);
        let operation_id = Some(context.operation_id);
        let request = CaptureRequest { amount, keep_rest: message.keep_rest, operation_id };
        self.check_capture(context, payment_id, request).await?;
        let ask = || self.ask_once(context, payment_id, &hash, PaymentCommand::RequestCapture(request));
        let payment = match retry_stale(super::ATTEMPTS, ask).await? {
            Asked::Before(answer) => return Ok(answer),
            Asked::Now(payment) => payment,
        };
        let payment = self.take_reserved(context, *payment).await?;
        let answer = CapturePaymentResponse { payment: Some(payment_proto(&row_of(&payment)?)) };
        self.remember(context, &hash, &answer).await?;
        Ok(answer)
    }

    async fn take_reserved(
        &self,
        context: &CommandContext,
        payment: Loaded<Payment>,
    ) -> fault::Result<Loaded<Payment>> {
        let step = payment.state.step();
        let Step::Capture(capture) = step else { return Ok(payment) };
        let taken = self.take_step(context, payment, step).await?;
        let refused = taken.trouble.as_ref().and_then(|error| error.refusal()).map(str::to_owned);
        let payment = taken.unanswered()?;
        match refused {
            Some(code) if payment.state.capture() != Some(capture) => {
                Err(provider_refused("capture_refused", &code))
            }
            _ => Ok(payment),
        }
    }

    /// What the provider cannot do is refused before it is recorded.
    async fn check_capture(
        &self,
        context: &CommandContext,
        payment_id: PaymentId,
        request: CaptureRequest,
    ) -> fault::Result<()> {
        if request.amount.is_none() && !request.keep_rest {
            return Ok(());
        }
        let payment = self.store.load::<Payment>(context.tenant, payment_id.as_uuid()).await?;
        let Some(terms) = payment.state.terms() else { return Ok(()) };
        let Some(provider) = self.providers.find(context.tenant, &terms.provider).await? else {
            return Ok(());
        };
        let can = provider.capabilities();
        if request.keep_rest && !can.several_captures {
            return Err(Fault::rejected("several_captures_unsupported", "The provider takes a part once."));
        }
        if request.amount.is_some_and(|amount| amount != terms.amount) && !can.partial_captures {
            return Err(Fault::rejected("partial_capture_unsupported", "The provider takes all or nothing."));
        }
        Ok(())
    }

    /// Gives an open payment up.
    pub(crate) async fn void(
        &self,
        context: &CommandContext,
        payment_id: PaymentId,
    ) -> fault::Result<PaymentRow> {
        let mut payment = self.request(context, payment_id, PaymentCommand::RequestVoid).await?;
        if payment.state.step() == Step::Create {
            payment = self.take_step(context, payment, Step::Create).await?.unanswered()?;
        }
        if payment.state.step() == Step::Void {
            payment = self.take_step(context, payment, Step::Void).await?.unanswered()?;
        }
        match payment.state.status() {
            status if status.was_captured() => Err(provider_refused("void_refused", Status::Captured.name())),
            _ => row_of(&payment),
        }
    }

    /// Gives money back, once per operation id.
    pub(crate) async fn refund(
        &self,
        context: &CommandContext,
        (payment_id, amount): (PaymentId, Option<Money>),
        message: &RefundPaymentRequest,
    ) -> fault::Result<RefundPaymentResponse> {
        let hash = body_hash("RefundPayment", message);
        let refund_id = RefundId::derived(&[&payment_id.to_string(), &context.operation_id.to_string()]);
        let request = RefundRequest { refund_id, amount, reason: message.reason.clone() };
        let ask =
            || self.ask_once(context, payment_id, &hash, PaymentCommand::RequestRefund(request.clone()));
        let payment = match retry_stale(super::ATTEMPTS, ask).await? {
            Asked::Before(answer) => return Ok(answer),
            Asked::Now(payment) => payment,
        };
        let payment = self.give_back(context, *payment, refund_id).await?;
        let response = RefundPaymentResponse { payment: Some(payment_proto(&row_of(&payment)?)) };
        self.remember(context, &hash, &response).await?;
        Ok(response)
    }

    async fn remember<M: prost::Message>(
        &self,
        context: &CommandContext,
        hash: &[u8; 32],
        answer: &M,
    ) -> fault::Result<()> {
        let mut unit = self.store.begin(context).await?;
        unit.remember(hash, answer).await?;
        unit.commit().await?;
        Ok(())
    }

    /// Records the wish under its operation id. A wish that was recorded and not answered goes on.
    async fn ask_once<M: prost::Message + Default>(
        &self,
        context: &CommandContext,
        payment_id: PaymentId,
        hash: &[u8; 32],
        wish: PaymentCommand,
    ) -> fault::Result<Asked<M>> {
        let mut unit = self.store.begin(context).await?;
        if let Some(answer) = unit.claim(hash).await? {
            return Ok(Asked::Before(answer));
        }
        let payment = self.decide_in(&mut unit, payment_id, wish).await?;
        unit.commit().await?;
        Ok(Asked::Now(Box::new(payment)))
    }

    async fn give_back(
        &self,
        context: &CommandContext,
        payment: Loaded<Payment>,
        refund_id: RefundId,
    ) -> fault::Result<Loaded<Payment>> {
        let open =
            payment.state.refunds().get(&refund_id).filter(|refund| refund.outcome == RefundOutcome::Pending);
        let Some(amount) = open.map(|refund| refund.amount) else { return Ok(payment) };
        let step = Step::Refund { refund_id, amount };
        let payment = self.take_step(context, payment, step).await?.unanswered()?;
        match payment.state.refunds().get(&refund_id).map(|refund| &refund.outcome) {
            Some(RefundOutcome::Failed { failure_code }) => {
                Err(provider_refused("refund_refused", failure_code))
            }
            _ => Ok(payment),
        }
    }

    /// A request is recorded before the provider is asked; that it exists is checked by the rule.
    async fn request(
        &self,
        context: &CommandContext,
        payment_id: PaymentId,
        command: PaymentCommand,
    ) -> fault::Result<Loaded<Payment>> {
        let execute = || self.execute_fresh(context, payment_id, command.clone());
        retry_stale(super::ATTEMPTS, execute).await
    }
}

fn provider_refused(reason: &'static str, code: &str) -> Fault {
    Fault::rejected(reason, "The payment provider refused.").with_fact("failure_code", code)
}
