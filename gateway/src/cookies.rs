//! Sessions in cookies, for browsers that wish for it with `Vbwd-Session: cookie`.
//!
//! The tokens of an answer move into cookies that scripts cannot read, and are empty in its JSON; the
//! access token then comes back with every request, the refresh token only where sessions are renewed.
//! What binds a sign-in elsewhere to the browser that was sent there moves the same way, so that no script
//! and no other browser can end what this one began.
//! What a cookie signs must prove that it comes from the tenant's own pages ([`crate::csrf`]): cookies
//! travel by themselves, headers do not.

use bytes::Bytes;
use fault::Fault;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;

use crate::answer::Answer;
use crate::plan::{ATTEMPT_TOKEN, Plan};

/// The wish for cookies.
const WISH: HeaderName = HeaderName::from_static("vbwd-session");
const REFRESH_PATH: &str = "/api/v1/auth";
/// A browser keeps the refresh token so long; the token itself may end earlier.
const REFRESH_SECONDS: u32 = 60 * 60 * 24 * 30;

/// `__Host-` makes browsers insist on Secure, the root path and no domain.
const ACCESS: &str = "__Host-vbwd_access";
const REFRESH: &str = "__Secure-vbwd_refresh";
const ATTEMPT: &str = "__Secure-vbwd_attempt";
/// Sign-ins begin and end below it, and so do links of accounts elsewhere.
const ATTEMPT_PATH: &str = "/api/v1";
/// A sign-in elsewhere may take so long.
const ATTEMPT_SECONDS: u32 = 10 * 60;

/// Whether the client wishes for cookies instead of tokens.
#[must_use]
pub fn wished(headers: &HeaderMap) -> bool {
    headers.get(WISH).is_some_and(|value| value == "cookie")
}

/// The access token in the cookies.
#[must_use]
pub fn access_token(headers: &HeaderMap) -> Option<&str> {
    read(headers, ACCESS)
}

/// The refresh token in the cookies.
#[must_use]
pub fn refresh_token(headers: &HeaderMap) -> Option<&str> {
    read(headers, REFRESH)
}

/// What binds a sign-in elsewhere to this browser, in the cookies.
#[must_use]
pub fn attempt_token(headers: &HeaderMap) -> Option<&str> {
    read(headers, ATTEMPT)
}

/// Whether the request is signed by a cookie and by nothing else.
#[must_use]
pub fn sign(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::AUTHORIZATION)
        && (access_token(headers).is_some() || refresh_token(headers).is_some())
}

/// Moves the tokens of a new session from the answer into cookies, and takes cookies back at a log-out.
///
/// # Errors
/// `internal` when the answer is no JSON.
pub fn moved(plan: &Plan, headers: &HeaderMap, answer: Answer) -> fault::Result<Answer> {
    if !answer.status().is_success() {
        return Ok(answer);
    }
    if plan.opens_session && wished(headers) {
        return with_session(answer);
    }
    if plan.binds_browser && wished(headers) {
        return with_attempt(answer);
    }
    if plan.rpc.path.ends_with("AuthService/LogOut") && sign(headers) {
        return with_cookies(
            answer,
            [cookie(ACCESS, "", "/", "Lax", 0), cookie(REFRESH, "", REFRESH_PATH, "Strict", 0)],
        );
    }
    Ok(answer)
}

fn with_session(answer: Answer) -> fault::Result<Answer> {
    let mut document: Value = serde_json::from_slice(answer.body()).map_err(Fault::internal)?;
    let Some(session) = document.get_mut("session").and_then(Value::as_object_mut) else { return Ok(answer) };
    let mut take = |name: &str| match session.get_mut(name) {
        Some(Value::String(token)) => std::mem::take(token),
        _ => String::new(),
    };
    let (access, refresh) = (take("access_token"), take("refresh_token"));
    if access.is_empty() {
        return Ok(answer); // no session was opened: a second factor is asked for first
    }
    let life = session.get("expires_in_seconds").and_then(Value::as_u64).unwrap_or_default();
    let life = u32::try_from(life).unwrap_or_default();
    let cookies = [
        cookie(ACCESS, &access, "/", "Lax", life),
        cookie(REFRESH, &refresh, REFRESH_PATH, "Strict", REFRESH_SECONDS),
    ];
    with_cookies(answer.with_body(Bytes::from(document.to_string())), cookies)
}

fn with_attempt(answer: Answer) -> fault::Result<Answer> {
    let mut document: Value = serde_json::from_slice(answer.body()).map_err(Fault::internal)?;
    let Some(Value::String(token)) = document.get_mut(ATTEMPT_TOKEN).map(Value::take) else {
        return Ok(answer);
    };
    if let Some(members) = document.as_object_mut() {
        members.insert(ATTEMPT_TOKEN.to_owned(), Value::String(String::new()));
    }
    let cookies = [cookie(ATTEMPT, &token, ATTEMPT_PATH, "Strict", ATTEMPT_SECONDS)];
    with_cookies(answer.with_body(Bytes::from(document.to_string())), cookies)
}

fn with_cookies<const N: usize>(mut answer: Answer, cookies: [String; N]) -> fault::Result<Answer> {
    for cookie in cookies {
        let cookie = HeaderValue::try_from(cookie).map_err(Fault::internal)?;
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(answer)
}

fn cookie(name: &str, value: &str, path: &str, same_site: &str, seconds: u32) -> String {
    format!("{name}={value}; Path={path}; Max-Age={seconds}; Secure; HttpOnly; SameSite={same_site}")
}

fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, value)| *known == name && !value.is_empty()).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_told_apart() {
        let line = "a=b; __Host-vbwd_access=abc.def.g=; __Host-vbwd_access2=x; __Secure-vbwd_refresh=";
        let headers = HeaderMap::from_iter([(header::COOKIE, line.parse().unwrap())]);
        assert_eq!(access_token(&headers), Some("abc.def.g="));
        assert_eq!(refresh_token(&headers), None, "an empty one is none");
        assert!(sign(&headers));
        let mut both = headers;
        both.insert(header::AUTHORIZATION, "Bearer x".parse().unwrap());
        assert!(!sign(&both), "a header was sent on purpose");
    }
}
