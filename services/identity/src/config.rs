//! The settings of this service. Every default is fit for production; the figures for hashing are
//! those that OWASP recommends for Argon2id.

use fault::Fault;
use serde::{Deserialize, Serialize};

use crate::rules::{lockout, network, velocity};

/// Settings of identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Life of an access token. A suspended user can act for at most this long.
    pub access_token_life_seconds: u32,
    /// Life of a refresh token that is not used.
    pub refresh_token_life_seconds: u32,
    /// Life of a session, however often it is refreshed.
    pub session_life_seconds: u32,
    /// For how long after its first use a refresh token may be sent again without ending the session.
    pub refresh_grace_seconds: u32,
    /// A new signing key is made after so many days; 0 leaves rotation to the operator.
    pub signing_key_life_days: u32,
    /// For how many days ended sessions are kept.
    pub ended_session_kept_days: u32,
    /// Nobody acts as somebody else for longer.
    pub impersonation_minutes_max: u32,
    /// Nobody signs in with an address that was not proven.
    pub require_verified_email: bool,
    /// Where links in letters lead; `{host}` stands for the tenant's main host.
    pub public_url: String,
    /// Protection against guessing.
    pub lockout: lockout::Policy,
    /// When a source of log-ins, registrations and resets is blocked; a tenant may set its own figures.
    pub sources: velocity::Policy,
    /// Log-in with an account elsewhere.
    pub federation: Federation,
    /// Proof that hosts belong to tenants.
    pub hosts: Hosts,
    /// Password hashing.
    pub hashing: Hashing,
}

/// Settings of speaking to sign-in providers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Federation {
    /// Whether providers may be spoken to without TLS; for development.
    pub allow_http: bool,
    /// Networks that are not public and may be spoken to all the same: `10.1.0.0/16`.
    pub allowed_networks: Vec<String>,
    /// How long one answer may take.
    pub timeout_ms: u64,
}

impl Default for Federation {
    fn default() -> Self {
        Self { allow_http: false, allowed_networks: Vec::new(), timeout_ms: 5000 }
    }
}

/// Settings of looking for the proof that a host belongs to a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hosts {
    /// Hosts, with everything below them, that tenants may have without proof: `localhost` of a developer.
    pub without_proof: Vec<String>,
    /// Whether the proof is fetched without TLS, as certificates are; whoever can change what is on its way
    /// can then prove a host of others.
    pub allow_http: bool,
    /// The port at which it is fetched; 0 means the usual one.
    pub port: u16,
    /// Networks that are not public and may be spoken to all the same: `10.1.0.0/16`.
    pub allowed_networks: Vec<String>,
    /// How long one answer may take.
    pub timeout_ms: u64,
}

impl Default for Hosts {
    fn default() -> Self {
        Self {
            without_proof: Vec::new(),
            allow_http: false,
            port: 0,
            allowed_networks: Vec::new(),
            timeout_ms: 5000,
        }
    }
}

/// Settings of password hashing (Argon2id).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hashing {
    /// Memory per hash.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// Hashes at a time; 0 means one per core.
    pub parallel: usize,
    /// How long a caller waits for its turn before being told to come back later.
    pub wait_seconds_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        const DAY: u32 = 24 * 60 * 60;
        Self {
            access_token_life_seconds: 5 * 60,
            refresh_token_life_seconds: 30 * DAY,
            session_life_seconds: 90 * DAY,
            refresh_grace_seconds: 10,
            signing_key_life_days: 30,
            ended_session_kept_days: 30,
            impersonation_minutes_max: 60,
            require_verified_email: false,
            public_url: "https://{host}".to_owned(),
            lockout: lockout::Policy::default(),
            sources: velocity::Policy::default(),
            federation: Federation::default(),
            hosts: Hosts::default(),
            hashing: Hashing::default(),
        }
    }
}

impl Default for Hashing {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, lanes: 1, parallel: 0, wait_seconds_max: 10 }
    }
}

impl Config {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// Invalid input naming every setting that is out of range.
    pub fn validate(&self) -> fault::Result<()> {
        let lockout = &self.lockout;
        let hashing = &self.hashing;
        let rules = [
            ("access_token_life_seconds", (10..=3600).contains(&self.access_token_life_seconds)),
            ("refresh_token_life_seconds", self.refresh_token_life_seconds > self.access_token_life_seconds),
            ("session_life_seconds", self.session_life_seconds >= self.refresh_token_life_seconds),
            ("refresh_grace_seconds", self.refresh_grace_seconds <= 60),
            ("impersonation_minutes_max", (1..=8 * 60).contains(&self.impersonation_minutes_max)),
            ("public_url", is_url(&self.public_url)),
            ("federation/timeout_ms", (1..=60_000).contains(&self.federation.timeout_ms)),
            ("hosts/timeout_ms", (1..=60_000).contains(&self.hosts.timeout_ms)),
            ("lockout/failures_max", lockout.failures_max >= 1),
            ("lockout/window_seconds", lockout.window_seconds >= 1),
            ("lockout/first_lock_seconds", lockout.first_lock_seconds >= 1),
            ("lockout/lock_seconds_max", lockout.lock_seconds_max >= lockout.first_lock_seconds),
            ("lockout/forget_after_seconds", lockout.forget_after_seconds >= lockout.window_seconds),
            ("hashing/lanes", (1..=64).contains(&hashing.lanes)),
            ("hashing/passes", (1..=100).contains(&hashing.passes)),
            ("hashing/memory_kib", (8 * hashing.lanes..=4 * 1024 * 1024).contains(&hashing.memory_kib)),
            ("hashing/wait_seconds_max", hashing.wait_seconds_max >= 1),
        ];
        let networks = &self.sources.allowed_networks;
        let networks_fit = networks.iter().all(|text| network::allowed_network(text).is_some());
        let sources = self.sources.flaw().map(|figure| (velocity::pointer(figure), false));
        let networks = ("sources/allowed_networks", networks_fit);
        let rules = rules.into_iter().chain(sources).chain([networks]);
        let wrong = rules.filter(|(_, holds)| !holds).map(|(setting, _)| setting);
        let fault = wrong.fold(None, |fault: Option<Fault>, setting| {
            let pointer = format!("/identity/{setting}");
            Some(match fault {
                None => Fault::invalid(pointer, "out_of_range", "A setting of identity is out of range."),
                Some(fault) => fault.with_violation(pointer, "out_of_range"),
            })
        });
        fault.map_or(Ok(()), Err)
    }
}

/// Good enough to catch a slip: a scheme, a host, and no end that would double a slash.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.ends_with('/') && !rest.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert!(Config::default().validate().is_ok());
    }

    #[test]
    fn every_setting_out_of_range_is_named() {
        let config = Config {
            refresh_grace_seconds: 3600,
            hashing: Hashing { memory_kib: 4, ..Hashing::default() },
            ..Config::default()
        };
        let fault = config.validate().unwrap_err();
        let pointers: Vec<_> = fault.violations().iter().map(|wrong| wrong.pointer.as_str()).collect();
        assert_eq!(pointers, ["/identity/refresh_grace_seconds", "/identity/hashing/memory_kib"]);
    }

    #[test]
    fn an_unknown_setting_is_an_error() {
        assert!(serde_json::from_str::<Config>(r#"{"refresh_grace": 1}"#).is_err());
    }
}
