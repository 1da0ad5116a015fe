//! Assertions: what every call inside the fleet carries instead of trust.
//!
//! An assertion is a JWT (EdDSA) with a life of one minute. Its key pair is derived from the fleet
//! secret, so every process of the fleet can sign and verify and nobody else can. Signing and
//! verifying are cached: a signed assertion is reused for twenty seconds, a verified one until it
//! expires, so that the cryptography is paid once per caller and not once per call.

use std::sync::Arc;
use std::time::Duration;

use fault::{Code, Fault};
use ids::{SessionId, TenantId};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use moka::sync::Cache;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::key::{decoding_key, derive_secret, encoding_key, public_component};
use crate::{Caller, Permissions};

/// gRPC metadata key of the assertion.
pub const METADATA_KEY: &str = "vbwd-assertion";

const AUDIENCE: &str = "vbwd-fleet";
const LIFE_SECONDS: i64 = 60;
const REUSE_SECONDS: u64 = 20;
const CACHED_MAX: u64 = 10_000;

/// Signs and verifies assertions.
#[derive(Clone)]
pub struct AssertionKeys(Arc<Keys>);

struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    signed: Cache<String, Arc<str>>,
    verified: Cache<String, (i64, Arc<Caller>)>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    tid: TenantId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    perms: Permissions,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    levels: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    country: Option<String>,
    iat: i64,
    exp: i64,
}

impl AssertionKeys {
    /// The keys of the fleet that shares `secret`.
    ///
    /// # Errors
    /// When the secret is shorter than 32 bytes: a guessable secret opens every door.
    pub fn from_secret(secret: &SecretString) -> fault::Result<Self> {
        use secrecy::ExposeSecret;
        if secret.expose_secret().len() < 32 {
            return Err(Fault::new(
                Code::InvalidInput,
                "fleet_secret_short",
                "The fleet secret needs at least 32 characters.",
            ));
        }
        let seed = derive_secret(secret, "vbwd assertion signing v1")?;
        Ok(Self(Arc::new(Keys {
            encoding: encoding_key(&seed)?,
            decoding: decoding_key(&public_component(&seed))?,
            signed: Cache::builder()
                .max_capacity(CACHED_MAX)
                .time_to_live(Duration::from_secs(REUSE_SECONDS))
                .build(),
            verified: Cache::builder()
                .max_capacity(CACHED_MAX)
                .time_to_live(Duration::from_secs(LIFE_SECONDS.unsigned_abs()))
                .build(),
        })))
    }

    /// An assertion by `issuer` (`gateway` or a service) that `caller` is calling.
    ///
    /// # Errors
    /// `internal` when signing fails.
    pub fn sign(&self, issuer: &str, caller: &Caller, now: Timestamp) -> fault::Result<Arc<str>> {
        let key = cache_key(issuer, caller);
        if let Some(signed) = self.0.signed.get(&key) {
            return Ok(signed);
        }
        let claims = Claims {
            iss: issuer.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: caller.subject.to_string(),
            tid: caller.tenant,
            sid: caller.session,
            roles: caller.roles.clone(),
            perms: caller.permissions.clone(),
            levels: caller.levels.clone(),
            amr: caller.methods.clone(),
            via: caller.via.map(|via| via.to_string()),
            origin: caller.origin.clone(),
            country: caller.country.clone(),
            iat: now.as_second(),
            exp: now.as_second().saturating_add(LIFE_SECONDS),
        };
        let token =
            encode(&Header::new(Algorithm::EdDSA), &claims, &self.0.encoding).map_err(Fault::internal)?;
        let token: Arc<str> = token.into();
        self.0.signed.insert(key, Arc::clone(&token));
        Ok(token)
    }

    /// The caller that a valid assertion names.
    ///
    /// # Errors
    /// `assertion_invalid` (unauthenticated) when it was not signed by this fleet, has expired or is
    /// malformed.
    pub fn verify(&self, assertion: &str, now: Timestamp) -> fault::Result<Arc<Caller>> {
        if let Some((expires_at, caller)) = self.0.verified.get(assertion)
            && now.as_second() < expires_at
        {
            return Ok(caller);
        }
        let claims = self.claims(assertion)?;
        if now.as_second() >= claims.exp {
            return Err(invalid("expired"));
        }
        let expires_at = claims.exp;
        let caller = Arc::new(claims.into_caller()?);
        self.0.verified.insert(assertion.to_owned(), (expires_at, Arc::clone(&caller)));
        Ok(caller)
    }

    fn claims(&self, assertion: &str) -> fault::Result<Claims> {
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_audience(&[AUDIENCE]);
        rules.validate_exp = false; // against our clock, below
        decode::<Claims>(assertion, &self.0.decoding, &rules)
            .map(|token| token.claims)
            .map_err(|error| invalid(&error.to_string()))
    }
}

impl Claims {
    fn into_caller(self) -> fault::Result<Caller> {
        let via = self.via.map(|via| via.parse()).transpose().map_err(|_| invalid("via"))?;
        Ok(Caller {
            tenant: self.tid,
            subject: self.sub.parse().map_err(|_| invalid("subject"))?,
            session: self.sid,
            roles: self.roles,
            permissions: self.perms,
            levels: self.levels,
            methods: self.amr,
            via,
            origin: self.origin,
            country: self.country,
        })
    }
}

fn invalid(why: &str) -> Fault {
    Fault::new(Code::Unauthenticated, "assertion_invalid", "The call carries no valid assertion.")
        .with_source(why.to_owned())
}

/// Everything that goes into the claims, so that a changed permission is a new assertion.
fn cache_key(issuer: &str, caller: &Caller) -> String {
    let mut key = format!("{issuer}|{}|{}", caller.tenant, caller.actor());
    let session = caller.session.map(|session| session.to_string());
    let origin = caller.origin.as_deref();
    let parts = session.as_deref().into_iter().chain(origin).chain(caller.roles.iter().map(String::as_str));
    for part in parts.chain(caller.permissions.iter()) {
        key.push('|');
        key.push_str(part);
    }
    if let Some(country) = &caller.country {
        key.push_str("|country ");
        key.push_str(country);
    }
    for level in &caller.levels {
        key.push_str("|level ");
        key.push_str(level);
    }
    for method in &caller.methods {
        key.push_str("|method ");
        key.push_str(method);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Subject;
    use ids::UserId;
    use jiff::ToSpan;

    fn keys(secret: &str) -> AssertionKeys {
        AssertionKeys::from_secret(&SecretString::from(secret.to_owned())).unwrap()
    }

    fn somebody() -> Caller {
        Caller {
            subject: Subject::User(UserId::new()),
            permissions: Permissions::new(["users.read"]).unwrap(),
            roles: vec!["admin".to_owned()],
            levels: vec!["gold".to_owned()],
            via: Some(crate::Via::Impersonator(UserId::new())),
            session: Some(SessionId::new()),
            origin: Some("203.0.113.7".to_owned()),
            country: Some("DE".to_owned()),
            ..Caller::anonymous(TenantId::new())
        }
    }

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_caller_survives_the_assertion() {
        let (keys, caller, now) = (keys(SECRET), somebody(), Timestamp::UNIX_EPOCH);
        let assertion = keys.sign("gateway", &caller, now).unwrap();
        assert_eq!(*keys.verify(&assertion, now).unwrap(), caller);
        assert_eq!(*keys.verify(&assertion, now).unwrap(), caller, "from the cache");
    }

    #[test]
    fn an_assertion_expires_also_in_the_cache() {
        let (keys, now) = (keys(SECRET), Timestamp::UNIX_EPOCH);
        let assertion = keys.sign("gateway", &somebody(), now).unwrap();
        keys.verify(&assertion, now).unwrap();
        let refused = keys.verify(&assertion, now + 61.seconds()).unwrap_err();
        assert_eq!(refused.reason(), "assertion_invalid");
    }

    #[test]
    fn another_fleet_and_tampering_are_refused() {
        let now = Timestamp::UNIX_EPOCH;
        let assertion = keys(SECRET).sign("gateway", &somebody(), now).unwrap();
        let stranger = keys("another-secret-another-secret-another");
        assert!(stranger.verify(&assertion, now).is_err());
        let (head, signature) = assertion.rsplit_once('.').unwrap();
        let (header, _) = head.split_once('.').unwrap();
        assert!(keys(SECRET).verify(&format!("{header}.e30.{signature}"), now).is_err());
        assert!(keys(SECRET).verify("", now).is_err());
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(AssertionKeys::from_secret(&SecretString::from("short".to_owned())).is_err());
    }
}
