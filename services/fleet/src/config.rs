//! The configuration of the whole fleet, composed of the parts of its services.
//!
//! Sources: defaults < file (`--config` or `VBWD_CONFIG`) < environment. `vbwd config dump` shows
//! the result with secrets hidden.

use std::net::SocketAddr;

use fault::{Code, Fault};
use runtime::Environment;
use runtime::config::{Database, Nats, Secret};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::roles::Role;

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `production`, `development` or `test`.
    pub environment: Environment,
    /// Seconds a drain may take before the process ends anyway.
    pub drain: DrainConfig,
    /// What the processes of one fleet share.
    pub fleet: FleetConfig,
    /// PostgreSQL.
    pub database: Database,
    /// NATS.
    pub nats: Nats,
    /// Admin port.
    pub admin: runtime::admin::Config,
    /// Logs and traces.
    pub telemetry: runtime::telemetry::Config,
    /// Where services listen and are found when they run in processes of their own.
    pub services: Endpoints,
    /// HTTP edge.
    pub gateway: gateway::Config,
    /// Identity.
    pub identity: identity::Config,
    /// Wallet.
    pub wallet: wallet::Config,
    /// Invoicing.
    pub invoicing: invoicing::Config,
    /// Plans and subscriptions.
    pub subscription: subscription::Config,
    /// Payments.
    pub payments: payments_gateway::Config,
    /// E-mail, outbound webhooks, notifications.
    pub notify: notify::Config,
    /// Sandbox provider.
    pub sandbox: payments_gateway_sandbox::Config,
}

/// How a process ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrainConfig {
    /// Seconds between "not ready" and refusing new work, for load balancers to notice.
    pub notice_seconds: u64,
    /// Seconds for running work to finish.
    pub grace_seconds: u64,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { notice_seconds: 0, grace_seconds: 25 }
    }
}

/// What the processes of one fleet share.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FleetConfig {
    /// At least 32 characters; signing and sealing keys are derived from it.
    pub secret: Secret,
}

/// The network places of the services.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Endpoints {
    pub identity: Endpoint,
    pub wallet: Endpoint,
    pub invoicing: Endpoint,
    pub subscription: Endpoint,
    pub payments: Endpoint,
    pub notify: Endpoint,
}

/// The network place of one service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// Where it listens when it runs in this process; absent means only in process.
    pub listen: Option<SocketAddr>,
    /// Where it is found when it runs elsewhere: `http://wallet:7000`; empty means nowhere.
    pub address: String,
}

impl Endpoints {
    /// The place of `role`, if it answers gRPC.
    #[must_use]
    pub const fn of(&self, role: Role) -> Option<&Endpoint> {
        match role {
            Role::Identity => Some(&self.identity),
            Role::Wallet => Some(&self.wallet),
            Role::Invoicing => Some(&self.invoicing),
            Role::Subscription => Some(&self.subscription),
            Role::Payments => Some(&self.payments),
            Role::Notify => Some(&self.notify),
            Role::Sandbox | Role::Gateway => None,
        }
    }
}

/// Secrets that appear in examples, and what people type instead of a secret.
const GUESSABLE: [&str; 7] =
    ["change-me", "changeme", "secret", "password", "0123456789abcdef", "postgres", "vbwd"];

const PASSWORD_LENGTH_MIN: usize = 16;
/// What is made of fewer different characters was typed, not drawn.
const DIFFERENT_CHARACTERS_MIN: usize = 8;

impl Config {
    /// Checks what no type can.
    ///
    /// # Errors
    /// `configuration_invalid` with the key that is wrong.
    pub fn validate(&self) -> fault::Result<()> {
        if self.database.url.is_empty() {
            return Err(wrong("database.url", "is missing; set VBWD_DATABASE_URL"));
        }
        let secret = self.fleet.secret.expose().expose_secret();
        if secret.len() < 32 {
            return Err(wrong("fleet.secret", "needs at least 32 characters; set VBWD_FLEET_SECRET"));
        }
        if self.database.role_password.is_empty() {
            return Err(wrong("database.role_password", "is missing; set VBWD_DATABASE_ROLE_PASSWORD"));
        }
        if self.environment == Environment::Production {
            self.validate_secrets()?;
        }
        self.validate_parts()
    }

    /// Refuses secrets that are examples, defaults or too short. In development they do.
    fn validate_secrets(&self) -> fault::Result<()> {
        if is_guessable(self.fleet.secret.expose().expose_secret()) {
            return Err(wrong("fleet.secret", "is guessable; make one with `openssl rand -hex 32`"));
        }
        let role = self.database.role_password.expose().expose_secret();
        if role.len() < PASSWORD_LENGTH_MIN || is_guessable(role) {
            return Err(wrong("database.role_password", "is guessable or shorter than 16 characters"));
        }
        let owner = password_of(self.database.url.expose().expose_secret());
        if owner.is_some_and(|owner| owner.len() < PASSWORD_LENGTH_MIN || is_guessable(owner)) {
            return Err(wrong(
                "database.url",
                "has a password that is guessable or shorter than 16 characters",
            ));
        }
        Ok(())
    }

    fn validate_parts(&self) -> fault::Result<()> {
        self.gateway.validate()?;
        self.identity.validate()?;
        self.wallet.validate()?;
        self.invoicing.validate()?;
        self.subscription.validate()?;
        self.payments.validate()?;
        self.notify.validate()?;
        self.sandbox.validate()
    }
}

fn is_guessable(secret: &str) -> bool {
    let lower = secret.to_lowercase();
    let different: std::collections::BTreeSet<_> = secret.chars().collect();
    different.len() < DIFFERENT_CHARACTERS_MIN || GUESSABLE.iter().any(|word| lower.contains(word))
}

/// The password in a database's address; none when it has none.
fn password_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let (person, _) = authority.rsplit_once('@')?;
    person.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}

fn wrong(key: &str, what: &str) -> Fault {
    Fault::new(Code::InvalidInput, "configuration_invalid", format!("{key} {what}."))
        .with_violation(key.to_owned(), "invalid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Config {
        Config {
            database: Database {
                url: Secret::from("postgres://owner@localhost/vbwd"),
                role_password: Secret::from("5f0c7b1e9a3d4826"),
                ..Database::default()
            },
            fleet: FleetConfig { secret: Secret::from("3bf1c09d8e7a4652b1d0f9e8c7a6b5d4") },
            ..Config::default()
        }
    }

    #[test]
    fn a_complete_configuration_is_accepted() {
        complete().validate().unwrap();
    }

    #[test]
    fn a_missing_short_or_guessable_secret_is_refused() {
        for secret in ["", "short", "change-me-change-me-change-me-change-me"] {
            let config = Config { fleet: FleetConfig { secret: Secret::from(secret) }, ..complete() };
            assert!(config.validate().is_err(), "{secret}");
        }
    }

    type Change = fn(&mut Config);

    #[test]
    fn production_refuses_default_and_short_secrets_and_says_which() {
        let key = |change: Change, environment| {
            let mut config = Config { environment, ..complete() };
            change(&mut config);
            config.validate().err().map(|fault| fault.violations()[0].pointer.clone())
        };
        let rows: [(Change, &str); 6] = [
            (|config| config.fleet.secret = Secret::from("a".repeat(40).as_str()), "fleet.secret"),
            (|config| config.fleet.secret = Secret::from("my-secret-my-secret-my-secret-42"), "fleet.secret"),
            (|config| config.database.role_password = Secret::from("k3y9"), "database.role_password"),
            (
                |config| config.database.role_password = Secret::from("vbwd-vbwd-0a1b2c3d"),
                "database.role_password",
            ),
            (|config| config.database.url = Secret::from("postgres://o:postgres@h/d"), "database.url"),
            (|config| config.database.url = Secret::from("postgres://o:abc@h:5432/d?x=y"), "database.url"),
        ];
        for (change, expected) in rows {
            assert_eq!(key(change, Environment::Production).as_deref(), Some(expected));
            assert_eq!(key(change, Environment::Development), None, "in development it does");
        }
        let drawn: Change =
            |config| config.database.url = Secret::from("postgres://o:9b2e77c1d04f4a6e@h:5432/d");
        assert_eq!(key(drawn, Environment::Production), None);
    }
}
