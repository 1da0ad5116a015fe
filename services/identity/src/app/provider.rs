//! The sign-in providers of a tenant, which are data. Whoever names one decides who is let in, so
//! changes are audited; an enabled provider must answer before it is kept.

use eventstore::storage;
use ids::TenantId;
use serde_json::json;

use crate::app::Identity;
use crate::app::user::Cause;
use crate::audit::{self, Action};
use crate::rejection::Rejection;
use crate::rules::roles::check_name;
use crate::tables::providers::{self, Provider};
use crate::tables::tenants;

const TEXT_LENGTH_MAX: usize = 500;
const SCOPES_MAX: usize = 20;

/// A provider, as it was asked for.
pub(crate) struct Wanted {
    pub(crate) provider: Provider,
    pub(crate) client_secret: String,
}

impl Identity {
    /// The tenant's providers.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn list_providers(&self, tenant: TenantId) -> fault::Result<Vec<Provider>> {
        let mut transaction = self.store.read(tenant).await?;
        let all = providers::all(&mut transaction, tenant).await?;
        transaction.rollback().await.map_err(storage)?;
        Ok(all)
    }

    /// Creates or replaces a provider.
    ///
    /// # Errors
    /// `invalid_input`; `provider_unavailable`, `provider_untrusted` of one that is enabled.
    pub(crate) async fn put_provider(&self, cause: &Cause<'_>, wanted: Wanted) -> fault::Result<Provider> {
        let Wanted { mut provider, client_secret } = wanted;
        check(&mut provider)?;
        self.outside.may_speak_to(&provider.issuer)?;
        if provider.enabled {
            self.outside.ask(&provider.issuer).await?;
        }
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let before = providers::find(unit.connection(), tenant, &provider.provider).await?;
        if before.as_ref().is_some_and(|before| before.issuer != provider.issuer)
            && providers::links(unit.connection(), tenant, &provider.provider).await? > 0
        {
            // Its subjects would mean other people.
            return Err(Rejection::ProviderInUse.into());
        }
        provider.sealed_secret = if client_secret.is_empty() {
            let kept = before.as_ref().filter(|before| before.issuer == provider.issuer);
            kept.and_then(|before| before.sealed_secret.clone())
        } else {
            Some(self.secrets.seal(&context(tenant, &provider.provider), client_secret.as_bytes())?)
        };
        providers::put(unit.connection(), tenant, &provider).await?;
        let action = Action {
            name: "identity_provider.put",
            target: format!("identity_provider/{}", provider.provider),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: before.as_ref().map(state),
            after: Some(state(&provider)),
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(provider)
    }

    /// Removes a provider that nobody has linked.
    ///
    /// # Errors
    /// `identity_provider_not_found`, `identity_provider_in_use`.
    pub(crate) async fn delete_provider(&self, cause: &Cause<'_>, name: &str) -> fault::Result<()> {
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let before = providers::find(unit.connection(), tenant, name).await?;
        let before = before.ok_or(Rejection::ProviderUnknown)?;
        if providers::links(unit.connection(), tenant, name).await? > 0 {
            return Err(Rejection::ProviderInUse.into());
        }
        providers::remove(unit.connection(), tenant, name).await?;
        let action = Action {
            name: "identity_provider.delete",
            target: format!("identity_provider/{name}"),
            origin: cause.caller.origin.as_deref(),
            at: self.clock.wall(),
            before: Some(state(&before)),
            after: None,
        };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(())
    }
}

/// What our secret at a provider is sealed for.
pub(super) fn context(tenant: TenantId, provider: &str) -> String {
    format!("identity provider {tenant}/{provider}")
}

fn state(provider: &Provider) -> serde_json::Value {
    json!({
        "issuer": provider.issuer,
        "client_id": provider.client_id,
        "scopes": provider.scopes,
        "enabled": provider.enabled,
        "registers": provider.registers,
    })
}

fn check(provider: &mut Provider) -> Result<(), Rejection> {
    check_name(&provider.provider).map_err(|_| Rejection::ProviderUnfit { pointer: "/provider" })?;
    let fits = |text: &str| {
        !text.trim().is_empty() && text.len() <= TEXT_LENGTH_MAX && !text.chars().any(char::is_control)
    };
    if provider.name.is_empty() {
        provider.name.clone_from(&provider.provider);
    }
    if provider.scopes.is_empty() {
        provider.scopes = ["email", "profile"].map(str::to_owned).to_vec();
    }
    let scope = |scope: &String| fits(scope) && !scope.contains(char::is_whitespace);
    let rules = [
        ("/name", fits(&provider.name)),
        ("/issuer", fits(&provider.issuer) && !provider.issuer.contains(['?', '#'])),
        ("/client_id", fits(&provider.client_id)),
        ("/scopes", provider.scopes.len() <= SCOPES_MAX && provider.scopes.iter().all(scope)),
    ];
    let wrong = rules.into_iter().find(|(_, holds)| !holds);
    wrong.map_or(Ok(()), |(pointer, _)| Err(Rejection::ProviderUnfit { pointer }))
}
