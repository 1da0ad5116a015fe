//! Speaking to a provider of OpenID Connect: discovery, the exchange of a code, keys, claims.
//!
//! Providers are named by tenants, so every address, also those that discovery names, goes through
//! the guard of [`egress`]; redirects are not followed and answers are read up to a bound. Tokens are
//! verified with the keys the provider publishes and with the algorithms of public keys only, so
//! neither `none` nor a secret-key signature made with a public key is ever looked at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::Guard;
use fault::{Code, Fault};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use moka::sync::Cache;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::Federation;
use crate::rules::federation::{Claims, Expected, check, proven_email};

const ANSWER_BYTES_MAX: usize = 256 * 1024;
const KNOWN_FOR: Duration = Duration::from_secs(600);
const REFETCH_MIN: Duration = Duration::from_secs(10);
/// What providers sign with; all of public keys.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Speaks to providers.
pub struct Outside {
    guard: Guard,
    http: Client,
    known: Cache<String, Arc<Known>>,
}

/// What a provider says about itself.
#[derive(Debug, Clone, Deserialize)]
pub struct Discovery {
    /// Must be what the provider is configured with.
    pub issuer: String,
    /// Where browsers are sent.
    pub authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    userinfo_endpoint: Option<String>,
    /// Whether answers name the issuer (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// A provider that has answered.
pub struct Known {
    /// What it says about itself.
    pub discovery: Discovery,
    keys: JwkSet,
    since: Instant,
}

/// A log-in elsewhere that came back.
#[derive(Debug)]
pub struct Returned<'a> {
    /// As the provider sent it.
    pub code: &'a str,
    /// The address it was sent to.
    pub redirect_uri: &'a str,
    /// PKCE verifier.
    pub verifier: &'a str,
    /// What its token must say.
    pub expected: Expected<'a>,
    /// Our secret there.
    pub client_secret: Option<&'a SecretString>,
}

/// Somebody, as the provider knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The provider's name for the account.
    pub subject: String,
    /// The address, if the provider has proven it.
    pub email: Option<String>,
    /// Name to show.
    pub name: String,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: String,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<serde_json::Value>,
    #[serde(default)]
    name: Option<String>,
}

impl Outside {
    /// Nobody asked yet.
    ///
    /// # Errors
    /// When a network in the settings is none.
    pub fn new(config: &Federation) -> fault::Result<Self> {
        let guard = Guard::new(config.allow_http, &config.allowed_networks)?;
        let http = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(guard.clone())
            .timeout(Duration::from_millis(config.timeout_ms))
            .user_agent("vbwd-identity/1")
            .build()
            .map_err(Fault::internal)?;
        let known = Cache::builder().max_capacity(1_000).time_to_live(KNOWN_FOR).build();
        Ok(Self { guard, http, known })
    }

    /// Whether a provider with this issuer may be spoken to.
    ///
    /// # Errors
    /// Invalid input at `/issuer`.
    pub fn may_speak_to(&self, issuer: &str) -> fault::Result<()> {
        let refused = |fault: Fault| {
            let code = fault.violations().first().map_or("malformed".to_owned(), |first| first.code.clone());
            Fault::invalid("/issuer", code, "This address cannot be spoken to.")
        };
        self.guard.check(issuer).map(|_| ()).map_err(refused)
    }

    /// What the provider with this issuer says about itself.
    ///
    /// # Errors
    /// `provider_unavailable`; `provider_untrusted` when it names another issuer, or addresses that may
    /// not be spoken to.
    pub async fn provider(&self, issuer: &str) -> fault::Result<Arc<Known>> {
        match self.known.get(issuer) {
            Some(known) => Ok(known),
            None => self.ask(issuer).await,
        }
    }

    /// Asks the provider, whatever is known of it.
    ///
    /// # Errors
    /// As [`Self::provider`].
    pub async fn ask(&self, issuer: &str) -> fault::Result<Arc<Known>> {
        self.guard.check(issuer).map_err(|_| untrusted("its address may not be spoken to"))?;
        let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let discovery: Discovery = self.read(self.http.get(self.checked(&document)?)).await?;
        if discovery.issuer != issuer {
            return Err(untrusted("its discovery document names another issuer"));
        }
        self.checked(&discovery.authorization_endpoint)?;
        let keys = self.read(self.http.get(self.checked(&discovery.jwks_uri)?)).await?;
        let known = Arc::new(Known { discovery, keys, since: Instant::now() });
        self.known.insert(issuer.to_owned(), Arc::clone(&known));
        Ok(known)
    }

    /// Exchanges a code for the person it stands for.
    ///
    /// # Errors
    /// `provider_unavailable`, `provider_untrusted`.
    pub async fn exchange(
        &self,
        known: &Known,
        returned: &Returned<'_>,
        now: jiff::Timestamp,
    ) -> fault::Result<Person> {
        let tokens = self.redeem(known, returned).await?;
        let claims = self.verified(known, &tokens.id_token, &returned.expected).await?;
        check(&claims, &returned.expected, now).map_err(untrusted)?;
        let mut person = Person {
            email: proven_email(claims.email.as_deref(), claims.email_verified.as_ref()).map(str::to_owned),
            name: claims.name.unwrap_or_default(),
            subject: claims.sub,
        };
        if person.email.is_none()
            && let Some(endpoint) = &known.discovery.userinfo_endpoint
        {
            let request = self.http.get(self.checked(endpoint)?).bearer_auth(&tokens.access_token);
            let info: UserInfo = self.read(request).await?;
            if info.sub != person.subject {
                return Err(untrusted("it told of another person than its token"));
            }
            person.email =
                proven_email(info.email.as_deref(), info.email_verified.as_ref()).map(str::to_owned);
            person.name = info.name.unwrap_or(person.name);
        }
        Ok(person)
    }

    async fn redeem(&self, known: &Known, returned: &Returned<'_>) -> fault::Result<Tokens> {
        let client_id = returned.expected.client_id;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", returned.code),
            ("redirect_uri", returned.redirect_uri),
            ("code_verifier", returned.verifier),
            ("client_id", client_id),
        ];
        let request = self.http.post(self.checked(&known.discovery.token_endpoint)?);
        let methods = &known.discovery.token_endpoint_auth_methods_supported;
        let in_form = !methods.is_empty() && !methods.iter().any(|method| method == "client_secret_basic");
        let request = match returned.client_secret.map(SecretString::expose_secret) {
            Some(secret) if in_form => {
                form.push(("client_secret", secret));
                request
            }
            Some(secret) => {
                let encoded =
                    |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                request.basic_auth(encoded(client_id), Some(encoded(secret)))
            }
            None => request,
        };
        self.read(request.form(&form)).await
    }

    /// The claims of a token that the provider has signed. An unknown key is looked for once more.
    async fn verified(&self, known: &Known, token: &str, expected: &Expected<'_>) -> fault::Result<Claims> {
        let header = decode_header(token).map_err(|_| untrusted("its token is malformed"))?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(untrusted("its token is not signed with a public key's algorithm"));
        }
        if let Some(claims) = claims(&known.keys, header.kid.as_deref(), header.alg, token)? {
            return Ok(claims);
        }
        if known.since.elapsed() < REFETCH_MIN {
            return Err(untrusted("its token is signed with a key it does not publish"));
        }
        let fresh = self.ask(expected.issuer).await?;
        let found = claims(&fresh.keys, header.kid.as_deref(), header.alg, token)?;
        found.ok_or_else(|| untrusted("its token is signed with a key it does not publish"))
    }

    fn checked(&self, address: &str) -> fault::Result<url::Url> {
        self.guard.check(address).map_err(|_| untrusted("it names an address that may not be spoken to"))
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> fault::Result<T> {
        let mut response = request.send().await.map_err(unavailable)?;
        if !response.status().is_success() {
            return Err(untrusted("it refused").with_fact("provider_status", response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(untrusted("its answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| untrusted("its answer is malformed"))
    }
}

/// The claims of a token, if one of these keys is the one it names.
fn claims(keys: &JwkSet, kid: Option<&str>, alg: Algorithm, token: &str) -> fault::Result<Option<Claims>> {
    let named = match kid {
        Some(kid) => keys.find(kid),
        None if keys.keys.len() == 1 => keys.keys.first(),
        None => None,
    };
    let Some(key) = named else { return Ok(None) };
    let key = DecodingKey::from_jwk(key).map_err(|_| untrusted("its key is malformed"))?;
    let mut rules = Validation::new(alg);
    rules.validate_aud = false; // by the rule, with everything else
    rules.validate_exp = false;
    rules.required_spec_claims.clear();
    match decode::<Claims>(token, &key, &rules) {
        Ok(decoded) => Ok(Some(decoded.claims)),
        Err(_) => Err(untrusted("its token does not verify")),
    }
}

fn untrusted(why: &'static str) -> Fault {
    let message = "What the sign-in provider answered cannot be trusted.";
    Fault::new(Code::Unauthenticated, "provider_untrusted", message).with_source(why).with_fact("why", why)
}

fn unavailable(error: reqwest::Error) -> Fault {
    let message = "The sign-in provider cannot be reached.";
    Fault::new(Code::Unavailable, "provider_unavailable", message).with_source(error.without_url())
}
