//! Looking for the proof that a host belongs to a tenant: one GET of an address that only its owner can fill.
//!
//! Tenants name the host, so the address goes through the guard of [`egress`]: nothing inside is spoken to,
//! however a name is looked up. Redirects are not followed, or a host that redirects would prove what
//! another says; and no more is read than a token is long.

use std::time::Duration;

use egress::Guard;
use fault::Fault;
use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;
use uuid::Uuid;

use crate::config::Hosts;

const ANSWER_BYTES_MAX: usize = 1_024;

/// Looks for proofs.
pub struct HostProbe {
    guard: Guard,
    http: Client,
    scheme: &'static str,
    port: Option<u16>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The proof.
    Proof,
    /// Something else, or nothing.
    Nothing(&'static str),
}

impl HostProbe {
    /// # Errors
    /// When a network in the settings is none.
    pub fn new(config: &Hosts) -> fault::Result<Self> {
        let guard = Guard::new(config.allow_http, &config.allowed_networks)?;
        let http = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(guard.clone())
            .timeout(Duration::from_millis(config.timeout_ms))
            .user_agent("vbwd-identity/1")
            .build()
            .map_err(Fault::internal)?;
        let scheme = if config.allow_http { "http" } else { "https" };
        Ok(Self { guard, http, scheme, port: (config.port != 0).then_some(config.port) })
    }

    /// Where the proof of a claim is looked for.
    #[must_use]
    pub fn address(&self, host: &str, claim: Uuid) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}/.well-known/vbwd-host/{claim}", self.scheme)
    }

    /// Looks whether a host says `token` at the address of a claim.
    pub async fn look(&self, host: &str, claim: Uuid, token: &str) -> Found {
        let Ok(url) = self.guard.check(&self.address(host, claim)) else {
            return Found::Nothing("address_not_allowed");
        };
        self.fetch(url, token).await.unwrap_or_else(|error| {
            tracing::debug!(host, error = %error.without_url(), "a host did not answer");
            Found::Nothing("unreachable")
        })
    }

    async fn fetch(&self, url: Url, token: &str) -> Result<Found, reqwest::Error> {
        let mut response = self.http.get(url).send().await?;
        if !response.status().is_success() {
            return Ok(Found::Nothing("not_found"));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Ok(Found::Nothing("wrong_content"));
            }
            body.extend_from_slice(&chunk);
        }
        let says = body.trim_ascii() == token.as_bytes();
        Ok(if says { Found::Proof } else { Found::Nothing("wrong_content") })
    }
}
