//! Access tokens: what clients carry (RFC 9068 in spirit: JWT, `aud` is the tenant, short life).
//!
//! Only EdDSA is accepted and only with a key id we publish, so `alg: none` and tricks with other
//! algorithms have nothing to hold on to.

use std::collections::HashMap;

use fault::{Code, Fault};
use ids::{SessionId, TenantId, UserId};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::key::{decoding_key, encoding_key, public_component};
use crate::{Caller, Permissions, Subject, Via};

const ISSUER: &str = "vbwd";
const TYPE: &str = "at+jwt";

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// Always `vbwd`.
    pub iss: String,
    /// The tenant the token is good for.
    pub aud: TenantId,
    /// The user.
    pub sub: UserId,
    /// The session it belongs to.
    pub sid: SessionId,
    /// Names of the roles held.
    pub roles: Vec<String>,
    /// Permissions granted when it was issued.
    pub perms: Permissions,
    /// Access levels held when it was issued.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// How the user proved who is there (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Who really acts, when the user is impersonated (RFC 8693): front ends show a banner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<ActingParty>,
    /// Issued at, Unix seconds.
    pub iat: i64,
    /// Expires at, Unix seconds.
    pub exp: i64,
    /// Unique id of the token.
    pub jti: Uuid,
}

/// The party that acts as the token's subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActingParty {
    /// The impersonating user.
    pub sub: UserId,
}

/// A public key as JWKS publishes it (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Key id, named in the header of the tokens it verifies.
    pub kid: String,
    /// Public key, base64url without padding.
    pub x: String,
}

/// Signs access tokens with one key.
#[derive(Clone)]
pub struct AccessTokenIssuer {
    key_id: String,
    encoding: EncodingKey,
    public: String,
}

impl AccessTokenIssuer {
    /// An issuer with the Ed25519 private key `seed`.
    ///
    /// # Errors
    /// `internal` when the key cannot be encoded.
    pub fn new(key_id: impl Into<String>, seed: &[u8; 32]) -> fault::Result<Self> {
        Ok(Self { key_id: key_id.into(), encoding: encoding_key(seed)?, public: public_component(seed) })
    }

    /// The public half.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk { kid: self.key_id.clone(), x: self.public.clone() }
    }

    /// A token for `caller`, good for `life_seconds`.
    ///
    /// # Errors
    /// When the caller is no user with a session, or signing fails.
    pub fn issue(&self, caller: &Caller, now: Timestamp, life_seconds: i64) -> fault::Result<String> {
        let session = caller.session.ok_or_else(|| Fault::internal("a token needs a session"))?;
        let act = match caller.via {
            None => None,
            Some(Via::Impersonator(sub)) => Some(ActingParty { sub }),
            Some(Via::Key(_)) => return Err(Fault::internal("a key needs no token")),
        };
        let claims = AccessTokenClaims {
            iss: ISSUER.to_owned(),
            aud: caller.tenant,
            sub: caller.user()?,
            sid: session,
            roles: caller.roles.clone(),
            perms: caller.permissions.clone(),
            levels: caller.levels.clone(),
            amr: caller.methods.clone(),
            act,
            iat: now.as_second(),
            exp: now.as_second().saturating_add(life_seconds),
            jti: Uuid::now_v7(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.key_id.clone());
        header.typ = Some(TYPE.to_owned());
        encode(&header, &claims, &self.encoding).map_err(Fault::internal)
    }
}

/// Verifies access tokens with the published keys.
#[derive(Clone, Default)]
pub struct AccessTokens {
    keys: HashMap<String, DecodingKey>,
}

impl AccessTokens {
    /// A verifier that accepts tokens signed by any of `keys`.
    ///
    /// # Errors
    /// `internal` when a key is malformed.
    pub fn from_jwks(keys: &[Jwk]) -> fault::Result<Self> {
        let keys = keys.iter().map(|jwk| Ok((jwk.kid.clone(), decoding_key(&jwk.x)?)));
        Ok(Self { keys: keys.collect::<fault::Result<_>>()? })
    }

    /// Whether the token names a key that this verifier does not have; the caller may fetch the
    /// published keys again.
    #[must_use]
    pub fn names_unknown_key(&self, token: &str) -> bool {
        decode_header(token)
            .ok()
            .and_then(|header| header.kid)
            .is_some_and(|kid| !self.keys.contains_key(&kid))
    }

    /// The caller that a valid token names.
    ///
    /// # Errors
    /// Unauthenticated, with reason `token_expired`, `token_foreign_tenant` or `token_invalid`.
    pub fn verify(&self, token: &str, tenant: TenantId, now: Timestamp) -> fault::Result<Caller> {
        let header = decode_header(token).map_err(invalid)?;
        let key = header.kid.as_deref().and_then(|kid| self.keys.get(kid));
        let key = key.ok_or_else(|| invalid("unknown key id"))?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[ISSUER]);
        rules.validate_aud = false; // below, with a code of its own
        rules.validate_exp = false; // below, against our clock
        let claims = decode::<AccessTokenClaims>(token, key, &rules).map_err(invalid)?.claims;
        if claims.aud != tenant {
            return Err(refused("token_foreign_tenant", "The token belongs to another tenant."));
        }
        if now.as_second() >= claims.exp {
            return Err(refused("token_expired", "The token has expired; refresh it."));
        }
        Ok(claims.into_caller())
    }
}

impl AccessTokenClaims {
    fn into_caller(self) -> Caller {
        Caller {
            tenant: self.aud,
            subject: Subject::User(self.sub),
            session: Some(self.sid),
            roles: self.roles,
            permissions: self.perms,
            levels: self.levels,
            methods: self.amr,
            via: self.act.map(|act| Via::Impersonator(act.sub)),
            origin: None,
            country: None,
        }
    }
}

fn invalid(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Fault {
    refused("token_invalid", "The token is not valid.").with_source(source)
}

fn refused(reason: &'static str, message: &'static str) -> Fault {
    Fault::new(Code::Unauthenticated, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jiff::ToSpan;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn signed_in() -> Caller {
        Caller {
            subject: Subject::User(UserId::new()),
            session: Some(SessionId::new()),
            roles: vec!["customer".to_owned()],
            ..Caller::anonymous(TenantId::new())
        }
    }

    fn issuer(kid: &str, seed: u8) -> AccessTokenIssuer {
        AccessTokenIssuer::new(kid, &[seed; 32]).unwrap()
    }

    fn reason(answer: fault::Result<Caller>) -> String {
        answer.unwrap_err().reason().to_owned()
    }

    #[test]
    fn a_token_names_its_caller_until_it_expires() {
        let (issuer, caller) = (issuer("k1", 1), signed_in());
        let tokens = AccessTokens::from_jwks(&[issuer.jwk()]).unwrap();
        let token = issuer.issue(&caller, now(), 300).unwrap();
        assert_eq!(tokens.verify(&token, caller.tenant, now() + 299.seconds()).unwrap(), caller);
        assert_eq!(reason(tokens.verify(&token, caller.tenant, now() + 300.seconds())), "token_expired");
    }

    #[test]
    fn a_token_of_an_impersonated_user_says_who_acts() {
        let (issuer, admin) = (issuer("k1", 1), UserId::new());
        let caller = Caller { via: Some(Via::Impersonator(admin)), ..signed_in() };
        let tokens = AccessTokens::from_jwks(&[issuer.jwk()]).unwrap();
        let token = issuer.issue(&caller, now(), 300).unwrap();
        assert_eq!(tokens.verify(&token, caller.tenant, now()).unwrap(), caller);
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["act"]["sub"], admin.to_string());
    }

    #[test]
    fn a_token_of_another_tenant_is_refused() {
        let issuer = issuer("k1", 1);
        let tokens = AccessTokens::from_jwks(&[issuer.jwk()]).unwrap();
        let token = issuer.issue(&signed_in(), now(), 300).unwrap();
        assert_eq!(reason(tokens.verify(&token, TenantId::new(), now())), "token_foreign_tenant");
    }

    #[test]
    fn old_keys_verify_after_a_rotation() {
        let (old, new, caller) = (issuer("k1", 1), issuer("k2", 2), signed_in());
        let token = old.issue(&caller, now(), 300).unwrap();
        let tokens = AccessTokens::from_jwks(&[new.jwk(), old.jwk()]).unwrap();
        assert!(tokens.verify(&token, caller.tenant, now()).is_ok());
        let after = AccessTokens::from_jwks(&[new.jwk()]).unwrap();
        assert!(after.names_unknown_key(&token));
        assert_eq!(reason(after.verify(&token, caller.tenant, now())), "token_invalid");
    }

    #[test]
    fn forged_tokens_are_refused() {
        let (issuer, caller) = (issuer("k1", 1), signed_in());
        let tokens = AccessTokens::from_jwks(&[issuer.jwk()]).unwrap();
        let genuine = issuer.issue(&caller, now(), 300).unwrap();
        let (_, rest) = genuine.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        let head = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let hs256 = {
            let mut header = Header::new(Algorithm::HS256);
            header.kid = Some("k1".to_owned());
            let secret = EncodingKey::from_secret(issuer.jwk().x.as_bytes());
            let claims: serde_json::Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
            encode(&header, &claims, &secret).unwrap()
        };
        let forged = [
            format!("{}.{claims}.", head(r#"{"alg":"none","kid":"k1"}"#)),
            format!("{}.{claims}.{signature}", head(r#"{"alg":"EdDSA","kid":"k9"}"#)),
            format!("{}.{claims}.{signature}", head(r#"{"alg":"EdDSA"}"#)),
            hs256,
            genuine.replace(claims, &head("{}")),
            String::new(),
            "a.b.c".to_owned(),
        ];
        for token in forged {
            assert_eq!(reason(tokens.verify(&token, caller.tenant, now())), "token_invalid", "{token}");
        }
    }
}
