//! The settings of the sandbox provider. The defaults fit a developer's machine.

use std::time::Duration;

use fault::Fault;
use runtime::Environment;
use runtime::config::Secret;
use serde::{Deserialize, Serialize};

/// Whether the sandbox runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Enabled {
    /// In development and tests only.
    #[default]
    Auto,
    /// Wherever it is started; the keys must then be configured.
    On,
    /// Never.
    Off,
}

/// Settings of the sandbox provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether it runs: `auto`, `on`, `off`.
    pub enabled: Enabled,
    /// Address it listens on; loopback unless somebody else must reach it.
    pub listen: String,
    /// Where browsers reach its pages; empty means `http://` and the address it listens on.
    pub public_url: String,
    /// Where its webhooks go.
    pub webhook_url: String,
    /// Key of the merchant; empty means derived from the fleet secret.
    pub api_key: Secret,
    /// Secret of the webhooks, `whsec_` and base64; empty means derived from the fleet secret.
    pub webhook_secret: Secret,
    /// Webhooks on their way at the same time.
    pub webhooks_in_flight_max: usize,
    /// Pause before the second attempt; it doubles with every further one.
    pub webhook_retry_milliseconds: u32,
    /// Longest pause between two attempts.
    pub webhook_retry_seconds_max: u32,
    /// Attempts before a webhook is given up.
    pub webhook_attempts_max: i32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: Enabled::Auto,
            listen: "127.0.0.1:7490".to_owned(),
            public_url: String::new(),
            webhook_url: "http://127.0.0.1:7480/api/v1/webhooks/sandbox".to_owned(),
            api_key: Secret::default(),
            webhook_secret: Secret::default(),
            webhooks_in_flight_max: 64,
            webhook_retry_milliseconds: 500,
            webhook_retry_seconds_max: 60,
            webhook_attempts_max: 60,
        }
    }
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Invalid input naming the setting that does not fit.
    pub fn validate(&self) -> fault::Result<()> {
        let is_http =
            |text: &str| url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        let rules = [
            ("listen", self.listen.parse::<std::net::SocketAddr>().is_ok()),
            ("public_url", self.public_url.is_empty() || is_http(&self.public_url)),
            ("webhook_url", is_http(&self.webhook_url)),
            ("webhooks_in_flight_max", (1..=1024).contains(&self.webhooks_in_flight_max)),
            ("webhook_retry_milliseconds", self.webhook_retry_milliseconds >= 1),
            ("webhook_retry_seconds_max", self.webhook_retry_seconds_max >= 1),
            ("webhook_attempts_max", self.webhook_attempts_max >= 1),
        ];
        match rules.into_iter().find(|(_, holds)| !holds) {
            None => Ok(()),
            Some((setting, _)) => Err(Fault::invalid(
                format!("/sandbox/{setting}"),
                "out_of_range",
                "A setting of the sandbox does not fit.",
            )),
        }
    }

    /// Whether it runs in this environment.
    #[must_use]
    pub fn runs_in(&self, environment: Environment) -> bool {
        match self.enabled {
            Enabled::Auto => environment != Environment::Production,
            Enabled::On => true,
            Enabled::Off => false,
        }
    }

    /// The pause after `attempts` attempts that failed.
    #[must_use]
    pub fn retry_pause(&self, attempts: i32) -> Duration {
        let doublings = u32::try_from(attempts.clamp(1, 31)).unwrap_or(1).saturating_sub(1);
        let pause = u64::from(self.webhook_retry_milliseconds).saturating_mul(1 << doublings);
        Duration::from_millis(pause.min(u64::from(self.webhook_retry_seconds_max) * 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_for_development_only() {
        let config = Config::default();
        assert!(config.validate().is_ok());
        assert!(config.runs_in(Environment::Development));
        assert!(!config.runs_in(Environment::Production));
    }

    #[test]
    fn a_setting_that_does_not_fit_is_named() {
        let config = Config { webhook_url: "ftp://there".to_owned(), ..Config::default() };
        assert_eq!(config.validate().unwrap_err().violations()[0].pointer, "/sandbox/webhook_url");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let config = Config::default();
        let pauses: Vec<_> = [1, 2, 3, 20].map(|attempts| config.retry_pause(attempts).as_millis()).into();
        assert_eq!(pauses, [500, 1000, 2000, 60_000]);
    }
}
