//! The edge's configuration: where it listens, whom it believes, how much it takes.
//!
//! Figures that protect the fleet (limits, timeouts) have defaults for a small installation; a rate
//! of zero per minute means unlimited and is meant for benchmarks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use contracts::RateClass;
use fault::Fault;
use serde::{Deserialize, Serialize};

use crate::address::Proxies;

/// Configuration of the gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the gateway listens.
    pub listen: SocketAddr,
    /// Addresses or networks (`10.0.0.0/8`) whose `X-Forwarded-For` and `X-Forwarded-Host` are
    /// believed; nobody by default.
    pub trusted_proxies: Vec<String>,
    /// Largest accepted body.
    pub body_bytes_max: usize,
    /// Largest accepted sum of header names and values.
    pub header_bytes_max: usize,
    /// Requests in flight; more are refused with 503 `overloaded`.
    pub concurrency_max: usize,
    /// Open streams of events and sockets; more are refused with 503 `overloaded`.
    pub streams_max: usize,
    /// Between two signs of life on an open stream; the caller is looked at again each time.
    pub heartbeat_seconds: u64,
    /// The header in which a trusted proxy says the client's country (`cf-ipcountry`); none when empty.
    pub country_header: String,
    /// Folders of the front ends that routing rules may name: `user`, `admin`.
    pub front_ends: BTreeMap<String, PathBuf>,
    /// At which level one line per request is logged.
    pub access_log: AccessLog,
    /// `Strict-Transport-Security` for so long; 0 leaves the header out (no TLS in front).
    pub hsts_seconds: u64,
    /// How long the answer to a public GET may be reused; 0 asks the service every time. A write
    /// through the same gateway is seen at once whatever this says.
    pub public_cache_ms: u64,
    /// Idempotency keys.
    pub idempotency: Idempotency,
    /// Limits by rate class.
    pub rates: Rates,
}

/// Levels of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum AccessLog {
    Off,
    Debug,
    Info,
}

/// How idempotency keys are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Idempotency {
    /// How long an answer is kept for repetition.
    pub retention_hours: u32,
    /// After so long a claim without an answer counts as abandoned and is executed again, which is
    /// safe because the operation id is the same. Must exceed every request timeout.
    pub lease_seconds: u32,
    /// How long the store may take before the request is refused with 503.
    pub store_timeout_ms: u64,
}

/// Limits by rate class.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Cheap reads.
    pub read: Rate,
    /// Everything that changes a fact.
    pub write: Rate,
    /// Log-in and what completes it; always per address.
    pub login: Rate,
    /// Registration; always per address.
    pub registration: Rate,
    /// Password resets and letters that anybody can ask for; always per address.
    pub reset: Rate,
    /// Provider webhooks; always per address.
    pub webhook: Rate,
}

/// The limits of one rate class, per tenant and user (or address).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests per minute in the long run; 0 means unlimited.
    pub per_minute: u32,
    /// Requests that may come at once.
    pub burst: u32,
    /// How long a request may take.
    pub timeout_ms: u64,
    /// Requests of the class in flight; more are refused with 503 `overloaded`, so that a class that
    /// has become slow leaves the others their places.
    pub in_flight_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7480)),
            trusted_proxies: Vec::new(),
            body_bytes_max: 1024 * 1024,
            header_bytes_max: 16 * 1024,
            concurrency_max: 4096,
            streams_max: 10_000,
            heartbeat_seconds: 10,
            country_header: String::new(),
            front_ends: BTreeMap::new(),
            access_log: AccessLog::Debug,
            hsts_seconds: 0,
            public_cache_ms: 1000,
            idempotency: Idempotency::default(),
            rates: Rates::default(),
        }
    }
}

impl Default for Idempotency {
    fn default() -> Self {
        Self { retention_hours: 24, lease_seconds: 30, store_timeout_ms: 2000 }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            read: Rate { per_minute: 6000, burst: 1000, timeout_ms: 10_000, in_flight_max: 2048 },
            write: Rate { per_minute: 600, burst: 120, timeout_ms: 14_000, in_flight_max: 1024 },
            login: Rate { per_minute: 30, burst: 15, timeout_ms: 14_000, in_flight_max: 256 },
            registration: Rate { per_minute: 10, burst: 10, timeout_ms: 14_000, in_flight_max: 64 },
            reset: Rate { per_minute: 10, burst: 5, timeout_ms: 14_000, in_flight_max: 64 },
            webhook: Rate { per_minute: 30_000, burst: 5000, timeout_ms: 14_000, in_flight_max: 1024 },
        }
    }
}

impl Rates {
    /// The limits of a class.
    #[must_use]
    pub const fn of(&self, class: RateClass) -> Rate {
        match class {
            RateClass::Read => self.read,
            RateClass::Write => self.write,
            RateClass::Login => self.login,
            RateClass::Registration => self.registration,
            RateClass::Reset => self.reset,
            RateClass::Webhook => self.webhook,
        }
    }
}

impl Config {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// `InvalidInput` with the key that is wrong.
    pub fn validate(&self) -> fault::Result<()> {
        Proxies::new(&self.trusted_proxies)?;
        let lease_ms = u64::from(self.idempotency.lease_seconds).saturating_mul(1000);
        for rate in RateClass::ALL.map(|class| self.rates.of(class)) {
            positive("/gateway/rates/timeout_ms", rate.timeout_ms > 0)?;
            positive("/gateway/rates/burst", rate.burst > 0)?;
            positive("/gateway/rates/in_flight_max", rate.in_flight_max > 0)?;
            if rate.timeout_ms >= lease_ms {
                return Err(Fault::invalid(
                    "/gateway/idempotency/lease_seconds",
                    "too_short",
                    "The lease of an idempotency key must be longer than every request timeout.",
                ));
            }
        }
        positive("/gateway/body_bytes_max", self.body_bytes_max > 0)?;
        positive("/gateway/heartbeat_seconds", (1..=60).contains(&self.heartbeat_seconds))?;
        positive("/gateway/concurrency_max", self.concurrency_max > 0)?;
        positive("/gateway/idempotency/retention_hours", self.idempotency.retention_hours > 0)
    }
}

fn positive(pointer: &str, holds: bool) -> fault::Result<()> {
    if holds { Ok(()) } else { Err(Fault::invalid(pointer, "out_of_range", "It must be above zero.")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Config::default().validate().unwrap();
    }

    #[test]
    fn a_lease_shorter_than_a_request_and_a_malformed_proxy_are_refused() {
        let mut config = Config::default();
        config.idempotency.lease_seconds = 5;
        assert_eq!(config.validate().unwrap_err().violations()[0].code, "too_short");
        let config = Config { trusted_proxies: vec!["somewhere".to_owned()], ..Config::default() };
        assert!(config.validate().is_err());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"listn": "127.0.0.1:1"}"#).is_err());
    }
}
