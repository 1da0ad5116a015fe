//! Starting a payment.

use eventstore::{CommandContext, Loaded};
use fault::Fault;
use ids::PaymentId;
use payments_gateway_domain::{CaptureMode, Payment, PaymentCommand, Step, Terms};

use super::Payments;
use crate::table::PaymentRow;

impl Payments {
    /// Starts a payment, or answers the one that was started with this id.
    ///
    /// A provider that does not answer is no failure of the payment: it stays `created`, and the
    /// reconciler asks again with the same key.
    pub(crate) async fn create(
        &self,
        context: &CommandContext,
        payment_id: PaymentId,
        terms: Terms,
    ) -> fault::Result<PaymentRow> {
        let terms = self.agreeable(context, terms).await?;
        let unheard = Loaded { id: payment_id.as_uuid(), state: Payment::default(), revision: 0 };
        let mut payment = self.execute(context, unheard, PaymentCommand::Create(terms)).await?;
        if payment.state.step() == Step::Create {
            payment = self.take_step(context, payment, Step::Create).await?.payment;
        }
        super::read::row_of(&payment)
    }

    /// The terms with their provider, if that can do what they say.
    async fn agreeable(&self, context: &CommandContext, mut terms: Terms) -> fault::Result<Terms> {
        if let Some(id) = terms.saved_method {
            let saved = self.chargeable((context.tenant, terms.user_id), Some(id)).await?;
            let saved = saved.ok_or_else(|| refused("/payment_method_id", "payment_method_unknown"))?;
            if !terms.method.is_empty() && terms.method != saved.method {
                return Err(refused("/method", "payment_method_differs"));
            }
            terms.method = saved.method;
        } else if terms.off_session {
            return Err(refused("/payment_method_id", "required"));
        }
        let offer = self.providers.for_amount(context.tenant, &terms.method, terms.amount).await?;
        let provider = offer.provider;
        if terms.save_method && !offer.method.saves {
            return Err(refused("/save_method", "payment_method_not_saved"));
        }
        if terms.capture == CaptureMode::Manual && !provider.capabilities().manual_capture {
            return Err(refused("/capture", "manual_capture_unsupported"));
        }
        terms.provider = provider.code().to_owned();
        Ok(terms)
    }
}

fn refused(pointer: &str, code: &str) -> Fault {
    Fault::invalid(pointer, code, "The payment cannot be made like this.")
}
