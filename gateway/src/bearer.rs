//! Access tokens at the edge, verified with identity's published keys.
//!
//! The keys are fetched when they are first needed, again every five minutes, and when a token
//! names a key that is not known, then at most once a second: strangers cannot make us ask more. A
//! token's signature is checked once and remembered for a minute; its expiry and tenant are checked
//! every time, against our clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use auth::{AccessTokens, Caller, Jwk};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::vbwd::identity::v1::GetJwksRequest;
use contracts::vbwd::identity::v1::auth_service_client::AuthServiceClient;
use fault::{Code, Fault};
use http::{HeaderMap, header};
use ids::TenantId;
use jiff::Timestamp;
use moka::sync::Cache;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::authority::Authorities;
use crate::cookies;
use crate::upstream::{self, Upstream};

const KEYS_FRESH: Duration = Duration::from_secs(300);
const KEYS_REFETCH_MIN: Duration = Duration::from_secs(1);
const REMEMBERED: Duration = Duration::from_secs(60);
const REMEMBERED_MAX: u64 = 50_000;
/// Longer than any token of ours; a longer one is not worth hashing.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Verifies bearer tokens.
pub struct Bearer {
    upstream: Upstream,
    keys: ArcSwap<Keys>,
    fetching: Mutex<()>,
    verified: Cache<String, Verified>,
    authorities: Arc<Authorities>,
}

#[derive(Default)]
struct Keys {
    tokens: AccessTokens,
    /// `None`: never fetched.
    since: Option<Instant>,
}

#[derive(Clone)]
struct Verified {
    caller: Arc<Caller>,
    expires_at: i64,
}

#[derive(Deserialize)]
struct Expiry {
    exp: i64,
}

impl Bearer {
    /// No keys yet.
    #[must_use]
    pub fn new(upstream: Upstream) -> Self {
        let verified = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build();
        let authorities = Arc::new(Authorities::new(upstream.clone()));
        Self { upstream, keys: ArcSwap::default(), fetching: Mutex::new(()), verified, authorities }
    }

    /// What callers may do right now.
    #[must_use]
    pub fn authorities(&self) -> Arc<Authorities> {
        Arc::clone(&self.authorities)
    }

    /// The caller that the request's token or API key names, with what the caller may do now; nobody
    /// when it carries none.
    ///
    /// # Errors
    /// Unauthenticated with `token_expired`, `token_invalid`, `token_foreign_tenant` or
    /// `session_ended`; unavailable when identity's keys were never seen.
    pub async fn caller(
        &self,
        headers: &HeaderMap,
        tenant: TenantId,
        origin: Option<&str>,
        now: Timestamp,
    ) -> fault::Result<Arc<Caller>> {
        let Some(token) = token(headers)? else { return Ok(Arc::new(Caller::anonymous(tenant))) };
        if let Some(caller) = self.authorities.of_key(token, tenant, origin).await? {
            return Ok(caller);
        }
        self.authorities.of_token(self.named(token, tenant, now).await?).await
    }

    /// The caller that an access token names, as it was when the token was issued.
    async fn named(&self, token: &str, tenant: TenantId, now: Timestamp) -> fault::Result<Arc<Caller>> {
        if let Some(verified) = self.verified.get(token)
            && verified.caller.tenant == tenant
            && now.as_second() < verified.expires_at
        {
            return Ok(verified.caller);
        }
        self.refresh_keys(tenant, token).await?;
        let caller = Arc::new(self.keys.load().tokens.verify(token, tenant, now)?);
        if let Some(expires_at) = expiry(token) {
            self.verified.insert(token.to_owned(), Verified { caller: Arc::clone(&caller), expires_at });
        }
        Ok(caller)
    }

    async fn refresh_keys(&self, tenant: TenantId, token: &str) -> fault::Result<()> {
        if !self.keys.load().is_stale_for(token) {
            return Ok(());
        }
        let _turn = self.fetching.lock().await;
        let known = self.keys.load_full();
        if !known.is_stale_for(token) {
            return Ok(()); // somebody else has just fetched them
        }
        match self.fetch(tenant).await {
            Ok(tokens) => self.keys.store(Arc::new(Keys { tokens, since: Some(Instant::now()) })),
            Err(fault) if known.since.is_none() => return Err(fault),
            Err(fault) => {
                tracing::warn!(error = ?fault, "signing keys could not be fetched; the known ones stay");
                self.keys.store(Arc::new(Keys { tokens: known.tokens.clone(), since: Some(Instant::now()) }));
            }
        }
        Ok(())
    }

    async fn fetch(&self, tenant: TenantId) -> fault::Result<AccessTokens> {
        let peer = self.upstream.peer("identity")?;
        let request = upstream::own(peer, Some(tenant), GetJwksRequest {})?;
        let answer = AuthServiceClient::new(peer.channel()).get_jwks(request).await?.into_inner();
        let ours = answer.keys.into_iter().filter(|key| key.kty == "OKP" && key.crv == "Ed25519");
        let keys: Vec<_> = ours.map(|key| Jwk { kid: key.kid, x: key.x }).collect();
        AccessTokens::from_jwks(&keys)
    }
}

impl Keys {
    fn is_stale_for(&self, token: &str) -> bool {
        let Some(since) = self.since else { return true };
        let age = since.elapsed();
        age >= KEYS_FRESH || (age >= KEYS_REFETCH_MIN && self.tokens.names_unknown_key(token))
    }
}

/// The token of the `Authorization` header, else of the session's cookie.
fn token(headers: &HeaderMap) -> fault::Result<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(cookies::access_token(headers).filter(|token| token.len() <= TOKEN_BYTES_MAX));
    };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let token = token.filter(|token| !token.is_empty() && token.len() <= TOKEN_BYTES_MAX);
    token.map(Some).ok_or_else(|| {
        Fault::new(Code::Unauthenticated, "token_invalid", "Send the access token as `Bearer <token>`.")
    })
}

/// The expiry inside a token whose signature was verified.
fn expiry(token: &str) -> Option<i64> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Expiry>(&claims).ok().map(|expiry| expiry.exp)
}
