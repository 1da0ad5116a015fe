//! The providers of this installation, by code and by method.
//!
//! When you add one: its adapter in `providers/`, its settings in `config.rs`, a line in
//! [`Providers::configured`], and its row in the README.

pub(crate) mod sandbox;

use std::sync::Arc;

use fault::{Code, Fault};
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

    /// The provider with this code.
    #[must_use]
    pub fn provider(&self, code: &str) -> Option<&dyn PaymentProvider> {
        self.0.iter().find(|provider| provider.code() == code).map(|provider| &**provider)
    }

    /// The provider behind a method that takes this currency.
    ///
    /// # Errors
    /// `payment_method_unknown` and `currency_unsupported`.
    pub fn for_method(&self, code: &str, currency: Currency) -> fault::Result<&dyn PaymentProvider> {
        let found = self.methods().find(|(_, method)| method.code == code).ok_or_else(|| {
            Fault::new(Code::InvalidInput, "payment_method_unknown", "There is no such payment method.")
                .with_violation("/method", "payment_method_unknown")
        })?;
        if !admits(found.1.currencies, currency.code()) {
            let message = "The payment method does not take this currency.";
            return Err(Fault::invalid("/amount/currency", "currency_unsupported", message));
        }
        Ok(found.0)
    }

    /// The methods for a currency and a country, each with its provider's code; empty means any.
    pub fn methods_for<'a>(
        &'a self,
        currency: &'a str,
        country: &'a str,
    ) -> impl Iterator<Item = (&'static str, &'a Method)> {
        let fits =
            move |method: &Method| admits(method.currencies, currency) && admits(method.countries, country);
        self.methods()
            .filter(move |(_, method)| fits(method))
            .map(|(provider, method)| (provider.code(), method))
    }

    fn methods(&self) -> impl Iterator<Item = (&dyn PaymentProvider, &Method)> {
        self.0.iter().flat_map(|provider| {
            provider.capabilities().methods.iter().map(move |method| (&**provider, method))
        })
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
