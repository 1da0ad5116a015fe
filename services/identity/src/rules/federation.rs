//! What is believed of an account elsewhere.
//!
//! The claims of a token count when it was issued by whom we asked, for us, for this log-in and not
//! long ago (OpenID Connect Core 3.1.3.7). An account is found by the provider's subject; an address
//! opens one only when the provider says it was proven, and when it was proven here too: or else
//! whoever registers somebody's address first would own what that person logs in to later.

use jiff::Timestamp;
use serde::Deserialize;

/// For how long somebody may take to log in elsewhere.
pub const ATTEMPT_LIFE_SECONDS: u32 = 10 * 60;
/// How wrong the provider's clock may be.
const LEEWAY_SECONDS: i64 = 60;

/// The claims of an ID token that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Who it is about.
    pub sub: String,
    /// Whom it is for.
    pub aud: Audience,
    /// Which of several it was issued to.
    #[serde(default)]
    pub azp: Option<String>,
    /// Unix seconds.
    pub exp: i64,
    /// Unix seconds.
    pub iat: i64,
    /// The one we sent.
    #[serde(default)]
    pub nonce: Option<String>,
    /// Address.
    #[serde(default)]
    pub email: Option<String>,
    /// Whether the provider has proven it; some say it as text.
    #[serde(default)]
    pub email_verified: Option<serde_json::Value>,
    /// Name to show.
    #[serde(default)]
    pub name: Option<String>,
}

/// One or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// What a token must say.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The provider's issuer.
    pub issuer: &'a str,
    /// Our client id there.
    pub client_id: &'a str,
    /// The nonce of this log-in.
    pub nonce: &'a str,
}

/// Whether the claims say what they must at `at`; the word for what they do not.
///
/// # Errors
/// A word for the log.
pub fn check(claims: &Claims, expected: &Expected<'_>, at: Timestamp) -> Result<(), &'static str> {
    let (for_us, several) = match &claims.aud {
        Audience::One(one) => (one == expected.client_id, false),
        Audience::Several(all) => (all.iter().any(|one| one == expected.client_id), all.len() > 1),
    };
    let authorised = claims.azp.as_deref().map_or(!several, |azp| azp == expected.client_id);
    let rules = [
        (claims.iss == expected.issuer, "issuer"),
        (for_us, "audience"),
        (authorised, "authorised party"),
        (claims.nonce.as_deref() == Some(expected.nonce), "nonce"),
        (at.as_second() < claims.exp.saturating_add(LEEWAY_SECONDS), "expired"),
        (claims.iat <= at.as_second().saturating_add(LEEWAY_SECONDS), "issued in the future"),
        (!claims.sub.is_empty() && claims.sub.len() <= 255, "subject"),
    ];
    rules.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, what)| Err(what))
}

/// The address that the provider has proven, if any.
#[must_use]
pub fn proven_email<'a>(email: Option<&'a str>, verified: Option<&serde_json::Value>) -> Option<&'a str> {
    let yes = verified.is_some_and(|value| value.as_bool() == Some(true) || value.as_str() == Some("true"));
    email.filter(|_| yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        serde_json::from_value(serde_json::json!({
            "iss": "https://id.example", "sub": "42", "aud": "shop", "exp": 1_300, "iat": 1_000, "nonce": "n",
        }))
        .unwrap()
    }

    fn judged(change: impl FnOnce(&mut Claims)) -> Result<(), &'static str> {
        let mut claims = claims();
        change(&mut claims);
        let expected = Expected { issuer: "https://id.example", client_id: "shop", nonce: "n" };
        check(&claims, &expected, Timestamp::from_second(1_000).unwrap())
    }

    #[test]
    fn only_claims_from_whom_we_asked_for_us_and_this_log_in_count() {
        assert_eq!(judged(|_| {}), Ok(()));
        assert_eq!(judged(|claims| claims.iss = "https://id.example/".to_owned()), Err("issuer"));
        assert_eq!(judged(|claims| claims.aud = Audience::One("other".to_owned())), Err("audience"));
        let two = || Audience::Several(vec!["shop".to_owned(), "other".to_owned()]);
        assert_eq!(judged(|claims| claims.aud = two()), Err("authorised party"));
        let mine = |claims: &mut Claims| {
            claims.aud = two();
            claims.azp = Some("shop".to_owned());
        };
        assert_eq!(judged(mine), Ok(()));
        assert_eq!(judged(|claims| claims.azp = Some("other".to_owned())), Err("authorised party"));
        assert_eq!(judged(|claims| claims.nonce = None), Err("nonce"));
        assert_eq!(judged(|claims| claims.nonce = Some("m".to_owned())), Err("nonce"));
        assert_eq!(judged(|claims| claims.exp = 940), Err("expired"));
        assert_eq!(judged(|claims| claims.exp = 941), Ok(()), "clocks may differ a little");
        assert_eq!(judged(|claims| claims.iat = 1_061), Err("issued in the future"));
        assert_eq!(judged(|claims| claims.sub = String::new()), Err("subject"));
    }

    #[test]
    fn an_address_counts_when_the_provider_says_it_was_proven() {
        use serde_json::json;
        let rows = [
            (json!(true), true),
            (json!("true"), true),
            (json!(false), false),
            (json!("false"), false),
            (json!(1), false),
        ];
        for (verified, counts) in rows {
            assert_eq!(proven_email(Some("a@b.cd"), Some(&verified)).is_some(), counts, "{verified}");
        }
        assert_eq!(proven_email(Some("a@b.cd"), None), None);
        assert_eq!(proven_email(None, Some(&json!(true))), None);
    }
}
