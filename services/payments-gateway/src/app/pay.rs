//! Starting a payment.

use eventstore::{CommandContext, Loaded};
use ids::PaymentId;
use payments_gateway_domain::{Payment, PaymentCommand, Step, Terms};

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
        let unheard = Loaded { id: payment_id.as_uuid(), state: Payment::default(), revision: 0 };
        let mut payment = self.execute(context, unheard, PaymentCommand::Create(terms)).await?;
        if payment.state.step() == Step::Create {
            payment = self.take_step(context, payment, Step::Create).await?.payment;
        }
        super::read::row_of(&payment)
    }
}
