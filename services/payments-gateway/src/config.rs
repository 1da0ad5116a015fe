//! The settings of payments. Every default is fit for production.

use fault::Fault;
use runtime::Environment;
use runtime::config::Secret;
use serde::{Deserialize, Serialize};

/// Settings of payments.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a customer has to pay.
    pub expire_after_seconds: u32,
    /// How long a reserved payment may wait to be taken.
    pub authorized_expire_after_seconds: u32,
    /// Asking providers about payments that are open.
    pub reconciler: Reconciler,
    /// The providers.
    pub providers: ProviderSettings,
}

/// Asking providers about payments that are open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reconciler {
    /// A payment is first asked for this long after it last changed.
    pub first_check_milliseconds: u32,
    /// The pause doubles with every check, up to this.
    pub pause_seconds_max: u32,
    /// How often the table is looked at.
    pub poll_milliseconds: u32,
    /// Payments asked for at the same time.
    pub parallel: usize,
}

/// The providers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSettings {
    /// The sandbox.
    pub sandbox: SandboxSettings,
    /// Stripe; tenants bring their own keys.
    pub stripe: StripeSettings,
    /// How long what a tenant has set may be remembered by a replica that did not hear of the change.
    pub tenant_settings_ttl_milliseconds: u32,
}

impl Default for ProviderSettings {
    fn default() -> Self {
        Self {
            sandbox: SandboxSettings::default(),
            stripe: StripeSettings::default(),
            tenant_settings_ttl_milliseconds: 5_000,
        }
    }
}

/// Stripe, as the operator sees it. Where its API is, no tenant can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StripeSettings {
    /// Where its API is.
    pub base_url: String,
    /// How long it may take to answer.
    pub timeout_milliseconds: u32,
}

impl Default for StripeSettings {
    fn default() -> Self {
        Self { base_url: "https://api.stripe.com".to_owned(), timeout_milliseconds: 10_000 }
    }
}

/// Whether a provider is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Enabled {
    /// In development and tests only.
    #[default]
    Auto,
    /// Everywhere.
    On,
    /// Nowhere.
    Off,
}

/// The sandbox, as its merchant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SandboxSettings {
    /// Whether it is used: `auto`, `on`, `off`.
    pub enabled: Enabled,
    /// Where its API is.
    pub base_url: String,
    /// Our key there; empty means derived from the fleet secret.
    pub api_key: Secret,
    /// Secret of its webhooks, `whsec_` and base64; empty means derived from the fleet secret.
    pub webhook_secret: Secret,
    /// How long it may take to answer.
    pub timeout_milliseconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        const HOUR: u32 = 60 * 60;
        Self {
            expire_after_seconds: HOUR,
            authorized_expire_after_seconds: 7 * 24 * HOUR,
            reconciler: Reconciler::default(),
            providers: ProviderSettings::default(),
        }
    }
}

impl Default for Reconciler {
    fn default() -> Self {
        Self {
            first_check_milliseconds: 20_000,
            pause_seconds_max: 15 * 60,
            poll_milliseconds: 1_000,
            parallel: 8,
        }
    }
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            enabled: Enabled::Auto,
            base_url: "http://127.0.0.1:7490".to_owned(),
            api_key: Secret::default(),
            webhook_secret: Secret::default(),
            timeout_milliseconds: 5_000,
        }
    }
}

impl SandboxSettings {
    /// Whether it is used in this environment.
    #[must_use]
    pub fn runs_in(&self, environment: Environment) -> bool {
        match self.enabled {
            Enabled::Auto => environment != Environment::Production,
            Enabled::On => true,
            Enabled::Off => false,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Invalid input naming the setting that does not fit.
    pub fn validate(&self) -> fault::Result<()> {
        let (reconciler, sandbox) = (&self.reconciler, &self.providers.sandbox);
        let stripe = &self.providers.stripe;
        let rules = [
            ("expire_after_seconds", self.expire_after_seconds >= 1),
            ("authorized_expire_after_seconds", self.authorized_expire_after_seconds >= 1),
            ("reconciler/first_check_milliseconds", reconciler.first_check_milliseconds >= 10),
            ("reconciler/pause_seconds_max", reconciler.pause_seconds_max >= 1),
            ("reconciler/poll_milliseconds", reconciler.poll_milliseconds >= 10),
            ("reconciler/parallel", (1..=256).contains(&reconciler.parallel)),
            ("providers/sandbox/base_url", is_web_address(&sandbox.base_url)),
            ("providers/stripe/base_url", is_web_address(&stripe.base_url)),
            ("providers/stripe/timeout_milliseconds", (10..=12_000).contains(&stripe.timeout_milliseconds)),
            ("providers/sandbox/timeout_milliseconds", (10..=12_000).contains(&sandbox.timeout_milliseconds)),
        ];
        let wrong = rules.into_iter().find(|(_, holds)| !holds);
        wrong.map_or(Ok(()), |(setting, _)| {
            let message = "A setting of payments does not fit.";
            Err(Fault::invalid(format!("/payments/{setting}"), "out_of_range", message))
        })
    }
}

/// Whether a text is an http(s) address.
pub(crate) fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_the_sandbox_is_off_in_production() {
        let config = Config::default();
        assert!(config.validate().is_ok());
        assert!(!config.providers.sandbox.runs_in(Environment::Production));
        assert!(config.providers.sandbox.runs_in(Environment::Development));
    }

    #[test]
    fn a_setting_that_does_not_fit_is_named() {
        let config = Config { expire_after_seconds: 0, ..Config::default() };
        assert_eq!(config.validate().unwrap_err().violations()[0].pointer, "/payments/expire_after_seconds");
    }
}
