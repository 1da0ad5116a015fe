//! The providers by code and by method: those that all tenants share, and each tenant's own accounts.
//!
//! A tenant's accounts and rules are read from the database and remembered for some seconds; a change
//! forgets them at once where it was made. An account that is switched off offers nothing, and is still
//! found, because its payments must be finished, refunded and reported.
//!
//! When you add a provider: its adapter in `providers/`, and either its settings in `config.rs` and a
//! line in [`Providers::configured`], or its kind in `account.rs` and a line in [`Tenants::open`]; its
//! double, its rig in the conformance suite, and its row in the README.

pub(crate) mod sandbox;
pub mod stripe;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eventstore::EventStore;
use fault::{Code, Fault};
use ids::TenantId;
use moka::future::Cache;
use money::Money;
use runtime::Platform;
use secrecy::SecretString;

use crate::account::Account;
use crate::config::StripeSettings;
use crate::provider::{Method, PaymentProvider};
use crate::rules::{Rule, Wish};
use crate::seal::Seal;
use crate::table::accounts::{self, AccountRow};
use crate::{Config, SandboxSettings};

/// Tenants whose accounts are remembered.
const TENANTS_MAX: u64 = 10_000;

/// The sandbox with these settings, where it is used beside the service.
///
/// # Errors
/// Settings that do not fit.
pub fn sandbox_provider(
    settings: &SandboxSettings,
    fleet_secret: &SecretString,
) -> fault::Result<Box<dyn PaymentProvider>> {
    Ok(Box::new(sandbox::Sandbox::new(settings, fleet_secret)?))
}

/// The providers.
#[derive(Clone, Default)]
pub struct Providers {
    shared: Vec<Arc<dyn PaymentProvider>>,
    tenants: Option<Tenants>,
}

/// Where tenants' accounts come from.
#[derive(Clone)]
struct Tenants {
    store: EventStore,
    seal: Arc<Seal>,
    stripe: StripeSettings,
    known: Cache<TenantId, Arc<Setup>>,
}

/// What a tenant has set.
#[derive(Default)]
struct Setup {
    accounts: Vec<Opened>,
    rules: BTreeMap<String, Rule>,
}

/// An account, ready to be used.
struct Opened {
    provider: Arc<dyn PaymentProvider>,
    enabled: bool,
    countries: Vec<String>,
}

/// A way to pay that is offered.
#[derive(Clone)]
pub(crate) struct Offered {
    pub(crate) provider: Arc<dyn PaymentProvider>,
    pub(crate) method: Method,
    pub(crate) rule: Rule,
}

impl Providers {
    /// The providers that the settings switch on for all tenants.
    ///
    /// # Errors
    /// Settings of a provider that do not fit.
    pub fn configured(platform: &Platform, config: &Config) -> fault::Result<Self> {
        let mut providers = Self::default();
        let sandbox = &config.providers.sandbox;
        if sandbox.runs_in(platform.environment) {
            providers = providers.with(sandbox::Sandbox::new(sandbox, &platform.secret)?);
        }
        Ok(providers)
    }

    /// These and one more.
    #[must_use]
    pub fn with(mut self, provider: impl PaymentProvider + 'static) -> Self {
        self.shared.push(Arc::new(provider));
        self
    }

    /// These and the accounts that tenants set.
    pub(crate) fn and_accounts(
        mut self,
        store: &EventStore,
        fleet_secret: &SecretString,
        config: &Config,
    ) -> fault::Result<Self> {
        let ttl = Duration::from_millis(config.providers.tenant_settings_ttl_milliseconds.into());
        self.tenants = Some(Tenants {
            store: store.clone(),
            seal: Arc::new(Seal::derive(fleet_secret)?),
            stripe: config.providers.stripe.clone(),
            known: Cache::builder().max_capacity(TENANTS_MAX).time_to_live(ttl).build(),
        });
        Ok(self)
    }

    /// The provider with this code, as this tenant uses it.
    ///
    /// # Errors
    /// When the tenant's settings cannot be read.
    pub(crate) async fn find(
        &self,
        tenant: TenantId,
        code: &str,
    ) -> fault::Result<Option<Arc<dyn PaymentProvider>>> {
        if let Some(shared) = self.shared.iter().find(|provider| provider.code() == code) {
            return Ok(Some(Arc::clone(shared)));
        }
        let setup = self.setup(tenant).await?;
        let account = setup.accounts.iter().find(|account| account.provider.code() == code);
        Ok(account.map(|account| Arc::clone(&account.provider)))
    }

    /// Whether all tenants share one account at this provider.
    pub(crate) fn is_shared(&self, code: &str) -> bool {
        self.shared.iter().any(|provider| provider.code() == code)
    }

    /// The providers that all tenants share.
    pub(crate) fn shared(&self) -> &[Arc<dyn PaymentProvider>] {
        &self.shared
    }

    /// A method that is offered to anybody at all.
    ///
    /// # Errors
    /// `payment_method_unknown`.
    pub(crate) async fn method(&self, tenant: TenantId, code: &str) -> fault::Result<Offered> {
        let offers = self.offers(tenant, Wish::default()).await?;
        offers.into_iter().find(|offer| offer.method.code == code).ok_or_else(|| {
            Fault::new(Code::InvalidInput, "payment_method_unknown", "There is no such payment method.")
                .with_violation("/method", "payment_method_unknown")
        })
    }

    /// A method that takes this amount.
    ///
    /// # Errors
    /// `payment_method_unknown`, `currency_unsupported` and `amount_outside_limits`.
    pub(crate) async fn for_amount(
        &self,
        tenant: TenantId,
        code: &str,
        amount: Money,
    ) -> fault::Result<Offered> {
        let offer = self.method(tenant, code).await?;
        let currency = amount.currency();
        let wish = Wish { currency: currency.code(), ..Wish::default() };
        if !offer.rule.offers(&offer.method, wish) {
            let message = "The payment method does not take this currency.";
            return Err(Fault::invalid("/amount/currency", "currency_unsupported", message));
        }
        if amount.is_positive() && !offer.rule.admits(amount) {
            let message = "The payment method does not take this amount.";
            return Err(Fault::invalid("/amount", "amount_outside_limits", message));
        }
        Ok(offer)
    }

    /// The methods that are offered for a wish, in the tenant's order.
    ///
    /// # Errors
    /// When the tenant's settings cannot be read.
    pub(crate) async fn offers(&self, tenant: TenantId, wish: Wish<'_>) -> fault::Result<Vec<Offered>> {
        let mut offers = self.every_method(tenant).await?;
        let setup = self.setup(tenant).await?;
        let reaches = |offer: &Offered| {
            let code = offer.provider.code();
            let account = setup.accounts.iter().find(|account| account.provider.code() == code);
            account.is_none_or(|account| {
                let everywhere = wish.country.is_empty() || account.countries.is_empty();
                account.enabled && (everywhere || account.countries.iter().any(|one| one == wish.country))
            })
        };
        offers.retain(|offer| reaches(offer) && offer.rule.offers(&offer.method, wish));
        offers.sort_by_key(|offer| offer.rule.position);
        Ok(offers)
    }

    /// Every method of every provider, offered or not, with the tenant's rule.
    ///
    /// # Errors
    /// When the tenant's settings cannot be read.
    pub(crate) async fn every_method(&self, tenant: TenantId) -> fault::Result<Vec<Offered>> {
        let setup = self.setup(tenant).await?;
        let own = setup.accounts.iter().map(|account| &account.provider);
        let each = |provider: &Arc<dyn PaymentProvider>| {
            let methods = provider.capabilities().methods.iter();
            let offers = methods.map(|method| Offered {
                provider: Arc::clone(provider),
                method: method.clone(),
                rule: setup.rules.get(method.code).cloned().unwrap_or_default(),
            });
            offers.collect::<Vec<_>>()
        };
        Ok(self.shared.iter().chain(own).flat_map(each).collect())
    }

    /// Forgets what is remembered of a tenant, after a change.
    pub(crate) async fn forget(&self, tenant: TenantId) {
        if let Some(tenants) = &self.tenants {
            tenants.known.invalidate(&tenant).await;
        }
    }

    async fn setup(&self, tenant: TenantId) -> fault::Result<Arc<Setup>> {
        let Some(tenants) = &self.tenants else { return Ok(Arc::default()) };
        let read = tenants.known.try_get_with(tenant, tenants.read(tenant)).await;
        read.map_err(|fault: Arc<Fault>| Fault::unavailable("payment_settings_unavailable", fault))
    }
}

impl Tenants {
    async fn read(&self, tenant: TenantId) -> fault::Result<Arc<Setup>> {
        let mut transaction = self.store.read(tenant).await?;
        let rows = accounts::all(&mut transaction, tenant).await?;
        let rules = accounts::rules(&mut transaction, tenant).await?;
        drop(transaction);
        let accounts = rows.into_iter().filter_map(|row| self.open(tenant, row));
        Ok(Arc::new(Setup { accounts: accounts.collect(), rules }))
    }

    /// The adapter of an account. One that cannot be opened is missing and does not take the others
    /// along.
    fn open(&self, tenant: TenantId, row: AccountRow) -> Option<Opened> {
        let (enabled, countries) = (row.enabled, row.countries.clone());
        let opened = account_of(&self.seal, tenant, row).and_then(|(code, account)| match code.as_str() {
            stripe::CODE => {
                Ok(Arc::new(stripe::Stripe::open(&self.stripe, &account)?) as Arc<dyn PaymentProvider>)
            }
            other => Err(Fault::internal(format!("no provider {other}"))),
        });
        match opened {
            Ok(provider) => Some(Opened { provider, enabled, countries }),
            Err(fault) => {
                tracing::error!(%tenant, ?fault, "a provider's account cannot be opened");
                None
            }
        }
    }
}

/// An account with its secrets opened.
pub(crate) fn account_of(seal: &Seal, tenant: TenantId, row: AccountRow) -> fault::Result<(String, Account)> {
    let plain = seal.open((tenant, &row.provider), &row.sealed_secrets)?;
    let secrets = serde_json::from_slice(&plain).map_err(Fault::internal)?;
    let AccountRow { provider, enabled, live, settings, countries, .. } = row;
    Ok((provider, Account { enabled, live, settings: settings.0, secrets, countries }))
}
