//! Reading payments.

use auth::{Caller, Subject};
use eventstore::Loaded;
use fault::Fault;
use ids::PaymentId;
use payments_gateway_domain::Payment;

use super::Payments;
use crate::provider::{NextAction, ProviderError};
use crate::table::PaymentRow;

/// Lets a caller read every payment of the tenant.
const READ_ANY: &str = "payments.read";

impl Payments {
    /// A payment, for its owner and for those who may read any; to everybody else it does not exist.
    pub(crate) async fn get(&self, caller: &Caller, payment_id: PaymentId) -> fault::Result<PaymentRow> {
        let mut transaction = self.store.read(caller.tenant).await?;
        let row = PaymentRow::read(&mut transaction, payment_id).await?;
        drop(transaction);
        let own = |row: &PaymentRow| caller.subject == Subject::User(row.user_id);
        row.filter(|row| own(row) || caller.permissions.allows(READ_ANY))
            .ok_or_else(|| Fault::not_found("payment"))
    }

    /// What the customer has to do about a payment, read from the provider this moment: secrets for
    /// its form are passed on and never kept.
    pub(crate) async fn next_action(
        &self,
        caller: &Caller,
        payment_id: PaymentId,
    ) -> fault::Result<(PaymentRow, NextAction)> {
        let row = self.get(caller, payment_id).await?;
        let open = row.provider_reference.as_deref().filter(|_| row.status.is_open());
        let provider = self.providers.find(caller.tenant, &row.provider).await?;
        let Some((reference, provider)) = open.zip(provider) else {
            return Ok((row, NextAction::default()));
        };
        let mut action = provider.next_action(reference).await.map_err(unavailable)?;
        if action == NextAction::default() {
            action.redirect_url = row.redirect_url.clone();
        }
        Ok((row, action))
    }
}

fn unavailable(error: ProviderError) -> Fault {
    Fault::unavailable("provider_unavailable", error)
}

/// The row of a payment that was just written.
pub(super) fn row_of(payment: &Loaded<Payment>) -> fault::Result<PaymentRow> {
    PaymentRow::of(PaymentId::from_uuid(payment.id), &payment.state, payment.revision)
        .ok_or_else(|| Fault::not_found("payment"))
}
