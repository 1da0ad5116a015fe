//! Saving a way to pay without paying: begin, hear of it, ask for it.
//!
//! As with payments, our row comes first, the provider is asked with a key that follows from it, and
//! whatever brings the news (answer, webhook, question) moves the row forward under its lock.

use eventstore::CommandContext;
use fault::{Code, Fault};
use ids::{SetupId, TenantId, UserId};

use super::Payments;
use super::webhook::Outcome;
use crate::provider::{NextAction, PaymentProvider, ProviderError, ProviderEvent, SetupOrder};
use crate::provider::{SetupSnapshot, SetupState};
use crate::table::saved_methods;
use crate::table::setups::{self, Progress, Setup};

impl Payments {
    /// Begins to save a method, once per operation id.
    pub(crate) async fn start_setup(
        &self,
        context: &CommandContext,
        user: UserId,
        (method, return_url): (&str, &str),
    ) -> fault::Result<(Setup, NextAction)> {
        let offer = self.providers.method(context.tenant, method).await?;
        let provider = offer.provider;
        if !offer.method.saves {
            let message = "This payment method cannot be saved.";
            return Err(Fault::invalid("/method", "payment_method_not_saved", message));
        }
        if !crate::config::is_web_address(return_url) {
            return Err(Fault::invalid("/return_url", "malformed", "An http(s) address is needed."));
        }
        let facts = [user.to_string(), context.operation_id.to_string()];
        let setup = Setup {
            setup_id: SetupId::derived(&["setup", &facts[0], &facts[1]]),
            tenant: context.tenant,
            user_id: user,
            provider: provider.code().to_owned(),
            method: method.to_owned(),
            return_url: return_url.to_owned(),
            status: Progress::Created,
            provider_reference: None,
            failure_code: None,
            payment_method_id: None,
        };
        let mut unit = self.store.begin(context).await?;
        let setup = setups::begin(unit.connection(), &setup, context.at).await?;
        unit.commit().await?;
        if (setup.method.as_str(), setup.return_url.as_str()) != (method, return_url) {
            let message = "The operation was used with another method or address.";
            return Err(Fault::new(Code::OperationReused, "operation_id_reused", message));
        }
        self.advance(&*provider, setup).await
    }

    /// A set-up of the user; while it is open the provider is asked.
    pub(crate) async fn setup(
        &self,
        tenant: TenantId,
        user: UserId,
        setup_id: SetupId,
    ) -> fault::Result<(Setup, NextAction)> {
        let mut transaction = self.store.read(tenant).await?;
        let setup = setups::find(&mut transaction, setup_id).await?;
        drop(transaction);
        let setup = setup.filter(|setup| setup.user_id == user).ok_or_else(|| Fault::not_found("setup"))?;
        match self.providers.find(tenant, &setup.provider).await? {
            Some(provider) if setup.status.is_open() => self.advance(&*provider, setup).await,
            _ => Ok((setup, NextAction::default())),
        }
    }

    /// Asks the provider and records what it says. A provider that does not answer leaves the set-up
    /// as it is; asking for it again asks the provider again.
    async fn advance(
        &self,
        provider: &dyn PaymentProvider,
        setup: Setup,
    ) -> fault::Result<(Setup, NextAction)> {
        match self.ask_setup(provider, &setup).await? {
            Ok((snapshot, action)) => {
                let mut unit = self.store.begin_worker(Some(setup.tenant)).await?;
                let setup = self.record_setup(unit.connection(), setup.setup_id, &snapshot).await?;
                unit.commit().await?;
                Ok((setup, action))
            }
            Err(error) => {
                let Some(code) = error.refusal() else {
                    return Err(Fault::unavailable("provider_unavailable", error));
                };
                let failed = SetupState::Failed { failure_code: code.to_owned() };
                let reference = setup.provider_reference.clone().unwrap_or_default();
                let snapshot = SetupSnapshot { reference, state: failed };
                let mut unit = self.store.begin_worker(Some(setup.tenant)).await?;
                let setup = self.record_setup(unit.connection(), setup.setup_id, &snapshot).await?;
                unit.commit().await?;
                Ok((setup, NextAction::default()))
            }
        }
    }

    async fn ask_setup(
        &self,
        provider: &dyn PaymentProvider,
        setup: &Setup,
    ) -> fault::Result<Result<(SetupSnapshot, NextAction), ProviderError>> {
        if let Some(reference) = &setup.provider_reference {
            return Ok(provider.fetch_setup(reference).await);
        }
        let customer = match self.customer((setup.tenant, setup.user_id), provider).await? {
            Ok(customer) => customer,
            Err(error) => return Ok(Err(error)),
        };
        let order = SetupOrder {
            setup_id: setup.setup_id,
            user_id: setup.user_id,
            method: &setup.method,
            customer: &customer,
            return_url: &setup.return_url,
        };
        let snapshot = match provider.set_up(order).await {
            Ok(snapshot) => snapshot,
            Err(error) => return Ok(Err(error)),
        };
        if snapshot.state != SetupState::RequiresAction {
            return Ok(Ok((snapshot, NextAction::default())));
        }
        Ok(provider.fetch_setup(&snapshot.reference).await)
    }

    /// Takes a webhook about a set-up.
    pub(super) async fn receive_setup(
        &self,
        provider: &str,
        event: &ProviderEvent,
        (setup_id, snapshot): (Option<SetupId>, &SetupSnapshot),
        tenant: Option<TenantId>,
    ) -> fault::Result<Outcome> {
        let mut unit = self.store.begin_worker(None).await?;
        let named = (provider, snapshot.reference.as_str());
        let Some(setup) = setups::named(unit.connection(), named, setup_id, tenant).await? else {
            let message = "There is no set-up with this reference.";
            return Err(Fault::new(Code::NotFound, "webhook_setup_unknown", message));
        };
        if !setups::note(unit.connection(), &setup, event, self.clock.wall()).await? {
            return Ok(Outcome::Duplicate);
        }
        self.record_setup(unit.connection(), setup.setup_id, snapshot).await?;
        unit.commit().await?;
        Ok(Outcome::Accepted)
    }

    /// Moves a set-up forward by what the provider says, and saves the method at its end.
    async fn record_setup(
        &self,
        connection: &mut sqlx::PgConnection,
        setup_id: SetupId,
        snapshot: &SetupSnapshot,
    ) -> fault::Result<Setup> {
        let held = setups::hold(connection, setup_id).await?;
        let mut setup = held.ok_or_else(|| Fault::not_found("setup"))?;
        if !setup.status.is_open() {
            return Ok(setup);
        }
        let now = self.clock.now(setup.tenant);
        setup.provider_reference = Some(snapshot.reference.clone()).filter(|reference| !reference.is_empty());
        match &snapshot.state {
            SetupState::RequiresAction => setup.status = setup.status.max(Progress::RequiresAction),
            SetupState::Processing => setup.status = setup.status.max(Progress::Processing),
            SetupState::Failed { failure_code } => {
                setup.status = Progress::Failed;
                setup.failure_code = Some(failure_code.clone());
            }
            SetupState::Succeeded(instrument) => {
                let owner = (setup.tenant, setup.user_id);
                saved_methods::lock(connection, owner).await?;
                let by = (setup.provider.as_str(), setup.method.as_str());
                let saved = saved_methods::insert(connection, owner, by, instrument, now).await?;
                setup.status = Progress::Succeeded;
                setup.payment_method_id = Some(saved);
            }
        }
        setups::write(connection, &setup, now).await?;
        Ok(setup)
    }
}
