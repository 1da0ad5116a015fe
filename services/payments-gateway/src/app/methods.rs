//! Saved ways to pay: listing, choosing the default, forgetting, and what a new charge needs of them.

use auth::{Caller, Subject};
use eventstore::CommandContext;
use fault::{Code, Fault};
use ids::{PaymentMethodId, TenantId, UserId};
use payments_gateway_domain::{Instrument, Terms};
use sqlx::PgConnection;

use super::Payments;
use crate::provider::{PaymentProvider, ProviderError};
use crate::table::saved_methods::{self, Owner, SavedMethod};

/// What a charge needs beside its terms.
#[derive(Debug, Default)]
pub(super) struct Means {
    pub(super) customer: String,
    pub(super) instrument: Option<Instrument>,
}

impl Payments {
    /// The methods of a user, the default first.
    pub(crate) async fn saved_methods(&self, owner: Owner) -> fault::Result<Vec<SavedMethod>> {
        let mut transaction = self.store.read(owner.0).await?;
        saved_methods::all(&mut transaction, owner).await
    }

    /// The method to charge a user by: the one named, or the default.
    pub(crate) async fn chargeable(
        &self,
        owner: Owner,
        id: Option<PaymentMethodId>,
    ) -> fault::Result<Option<SavedMethod>> {
        let saved = self.saved_methods(owner).await?;
        let wanted = |method: &SavedMethod| id.map_or(method.is_default, |id| method.payment_method_id == id);
        Ok(saved.into_iter().find(wanted))
    }

    /// Makes a method the default.
    pub(crate) async fn make_default(
        &self,
        context: &CommandContext,
        user: UserId,
        id: PaymentMethodId,
    ) -> fault::Result<SavedMethod> {
        let owner = (context.tenant, user);
        let mut unit = self.store.begin(context).await?;
        saved_methods::lock(unit.connection(), owner).await?;
        saved_methods::find(unit.connection(), owner, id).await?.ok_or_else(unknown)?;
        saved_methods::make_default(unit.connection(), owner, id).await?;
        let method = saved_methods::find(unit.connection(), owner, id).await?.ok_or_else(unknown)?;
        unit.commit().await?;
        Ok(method)
    }

    /// Forgets a method, here first: a provider that is down must not keep it chargeable. What is
    /// forgotten here is charged by nobody, whatever the provider keeps.
    pub(crate) async fn forget(
        &self,
        context: &CommandContext,
        user: UserId,
        id: PaymentMethodId,
    ) -> fault::Result<()> {
        let owner = (context.tenant, user);
        let mut unit = self.store.begin(context).await?;
        saved_methods::lock(unit.connection(), owner).await?;
        let method = saved_methods::find(unit.connection(), owner, id).await?.ok_or_else(unknown)?;
        saved_methods::remove(unit.connection(), owner, id, context.at).await?;
        unit.commit().await?;
        if let Some(provider) = self.providers.find(context.tenant, &method.provider).await?
            && let Err(error) = provider.forget(&method.instrument).await
        {
            tracing::warn!(provider = provider.code(), %error, "provider has not forgotten a method");
        }
        Ok(())
    }

    /// Saves what was paid with, once per token.
    pub(super) async fn keep(
        &self,
        connection: &mut PgConnection,
        tenant: TenantId,
        terms: &Terms,
        instrument: &Instrument,
    ) -> fault::Result<()> {
        let owner = (tenant, terms.user_id);
        saved_methods::lock(connection, owner).await?;
        let by = (terms.provider.as_str(), terms.method.as_str());
        saved_methods::insert(connection, owner, by, instrument, self.clock.now(tenant)).await?;
        Ok(())
    }

    /// What the provider needs to be told with a new payment.
    pub(super) async fn means(
        &self,
        tenant: TenantId,
        provider: &dyn PaymentProvider,
        terms: &Terms,
    ) -> fault::Result<Result<Means, ProviderError>> {
        let owner = (tenant, terms.user_id);
        if let Some(id) = terms.saved_method {
            let mut transaction = self.store.read(tenant).await?;
            let found = saved_methods::find(&mut transaction, owner, id).await?;
            return Ok(found.map_or_else(
                || Err(ProviderError::Declined { code: "payment_method_removed".to_owned(), decline: None }),
                |method| {
                    let customer = method.instrument.customer.clone();
                    Ok(Means { customer, instrument: Some(method.instrument) })
                },
            ));
        }
        if !terms.save_method {
            return Ok(Ok(Means::default()));
        }
        let customer = self.customer(owner, provider).await?;
        Ok(customer.map(|customer| Means { customer, instrument: None }))
    }

    /// Who the user is at a provider, made there if need be. The user is the key over there, so two
    /// who ask at the same time get one customer.
    pub(super) async fn customer(
        &self,
        owner: Owner,
        provider: &dyn PaymentProvider,
    ) -> fault::Result<Result<String, ProviderError>> {
        let mut transaction = self.store.read(owner.0).await?;
        let known = saved_methods::customer(&mut transaction, owner, provider.code()).await?;
        drop(transaction);
        if let Some(known) = known {
            return Ok(Ok(known));
        }
        let reference = match provider.customer(owner.1).await {
            Ok(reference) if reference.is_empty() => return Ok(Ok(reference)),
            Ok(reference) => reference,
            Err(error) => return Ok(Err(error)),
        };
        let mut unit = self.store.begin_worker(Some(owner.0)).await?;
        let kept = (provider.code(), reference.as_str());
        saved_methods::keep_customer(unit.connection(), owner, kept, self.clock.now(owner.0)).await?;
        unit.commit().await?;
        Ok(Ok(reference))
    }
}

/// The user behind a caller; a service or a key has no methods of its own.
pub(crate) fn user(caller: &Caller) -> fault::Result<UserId> {
    match caller.subject {
        Subject::User(user) => Ok(user),
        _ => Err(Fault::new(Code::Forbidden, "user_required", "Only a user has saved payment methods.")),
    }
}

fn unknown() -> Fault {
    Fault::not_found("payment_method")
}
