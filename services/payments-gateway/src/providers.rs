//! The providers of this installation, by code and by method.
//!
//! When you add one: its adapter in `providers/`, its settings in `config.rs`, a line in
//! [`Providers::configured`], and its row in the README.

pub(crate) mod sandbox;

use std::sync::Arc;

use fault::{Code, Fault};
use ids::TenantId;
use money::Currency;
use runtime::Platform;

use crate::Config;
use crate::provider::{Method, PaymentProvider};

/// The providers that are switched on.
#[derive(Clone, Default)]
pub struct Providers(Vec<Arc<dyn PaymentProvider>>);

impl Providers {
    /// The providers that the settings switch on.
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
        self.0.push(Arc::new(provider));
        self
    }

    /// The provider with this code, as this tenant uses it.
    ///
    /// # Errors
    /// When the tenant's settings cannot be read.
    pub async fn find(
        &self,
        tenant: TenantId,
        code: &str,
    ) -> fault::Result<Option<Arc<dyn PaymentProvider>>> {
        let _ = tenant;
        Ok(self.0.iter().find(|provider| provider.code() == code).map(Arc::clone))
    }

    /// Whether all tenants share one account at this provider.
    #[must_use]
    pub fn is_shared(&self, code: &str) -> bool {
        self.0.iter().any(|provider| provider.code() == code)
    }

    /// The provider behind a method, and the method.
    ///
    /// # Errors
    /// `payment_method_unknown`.
    pub async fn method(
        &self,
        tenant: TenantId,
        code: &str,
    ) -> fault::Result<(Arc<dyn PaymentProvider>, Method)> {
        let methods = self.methods(tenant).await?;
        methods.into_iter().find(|(_, method)| method.code == code).ok_or_else(|| {
            Fault::new(Code::InvalidInput, "payment_method_unknown", "There is no such payment method.")
                .with_violation("/method", "payment_method_unknown")
        })
    }

    /// The provider behind a method that takes this currency.
    ///
    /// # Errors
    /// `payment_method_unknown` and `currency_unsupported`.
    pub async fn for_method(
        &self,
        tenant: TenantId,
        code: &str,
        currency: Currency,
    ) -> fault::Result<(Arc<dyn PaymentProvider>, Method)> {
        let found = self.method(tenant, code).await?;
        if !admits(found.1.currencies, currency.code()) {
            let message = "The payment method does not take this currency.";
            return Err(Fault::invalid("/amount/currency", "currency_unsupported", message));
        }
        Ok(found)
    }

    /// The methods for a currency and a country, each with its provider's code; empty means any.
    ///
    /// # Errors
    /// When the tenant's settings cannot be read.
    pub async fn methods_for(
        &self,
        tenant: TenantId,
        (currency, country): (&str, &str),
    ) -> fault::Result<Vec<(&'static str, Method)>> {
        let fits = |method: &Method| admits(method.currencies, currency) && admits(method.countries, country);
        let methods = self.methods(tenant).await?.into_iter();
        Ok(methods
            .filter(|(_, method)| fits(method))
            .map(|(provider, method)| (provider.code(), method))
            .collect())
    }

    async fn methods(&self, tenant: TenantId) -> fault::Result<Vec<(Arc<dyn PaymentProvider>, Method)>> {
        let _ = tenant;
        let each = |provider: &Arc<dyn PaymentProvider>| {
            let methods = provider.capabilities().methods.iter();
            methods.map(|method| (Arc::clone(provider), method.clone())).collect::<Vec<_>>()
        };
        Ok(self.0.iter().flat_map(each).collect())
    }
}

/// An empty list admits everything, an empty wish is admitted everywhere.
fn admits(list: &[&str], wish: &str) -> bool {
    list.is_empty() || wish.is_empty() || list.contains(&wish)
}

#[cfg(test)]
mod tests {
    use super::admits;

    #[test]
    fn empty_means_any() {
        assert!(admits(&[], "EUR") && admits(&["EUR"], "") && admits(&["EUR", "USD"], "USD"));
        assert!(!admits(&["EUR"], "USD"));
    }
}
