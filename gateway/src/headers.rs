//! Header rules: what every answer carries, what no request may exceed.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::problem::{self, Refusal};

/// Which trace a request belonged to; the same id is in logs and problem documents.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An API answer is data: nothing in it may run, and nobody may frame it.
const POLICY_OF_DATA: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Writes the security headers; a page may have set its own content policy.
pub fn secure(headers: &mut HeaderMap, hsts: Option<&HeaderValue>) {
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(POLICY_OF_DATA);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Some(hsts) = hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
}

/// The value of `Strict-Transport-Security`; none for zero seconds.
#[must_use]
pub fn hsts(seconds: u64) -> Option<HeaderValue> {
    let value = (seconds > 0).then(|| format!("max-age={seconds}; includeSubDomains"))?;
    HeaderValue::from_str(&value).ok()
}

/// Refuses headers that are too large together.
///
/// # Errors
/// 431 `headers_too_large`.
pub fn must_fit(headers: &HeaderMap, bytes_max: usize) -> problem::Result<()> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(Refusal::http(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        "The request's headers are too large.",
    ))
}

/// Refuses a client that does not take `media_type`. Problems are told to everybody.
///
/// # Errors
/// 406 `not_acceptable`.
pub fn must_take(headers: &HeaderMap, media_type: &str) -> problem::Result<()> {
    let mut asked = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if asked.peek().is_none() {
        return Ok(());
    }
    let fits = |range: &str| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        let group = kind.strip_suffix("/*").filter(|group| *group != "*");
        kind == media_type
            || matches!(kind, "" | "*/*")
            || group.is_some_and(|group| media_type.split('/').next() == Some(group))
            || (media_type == "application/json" && kind == "application/problem+json")
    };
    if asked.flat_map(|value| value.split(',')).any(fits) {
        return Ok(());
    }
    let message = "This is not answered in a form that you take.";
    Err(Refusal::http(StatusCode::NOT_ACCEPTABLE, "not_acceptable", message)
        .with_fact("media_type", media_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_takes_no_json_is_told() {
        let accepts = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))]);
            must_take(&headers, "application/json").is_ok()
        };
        assert!(accepts("*/*") && accepts("text/html, application/json;q=0.9") && accepts("application/*"));
        assert!(!accepts("text/html") && !accepts("image/png, text/plain"));
        assert!(must_take(&HeaderMap::new(), "application/json").is_ok());
    }

    #[test]
    fn hsts_is_left_out_at_zero() {
        assert_eq!(hsts(0), None);
        assert_eq!(hsts(60).unwrap(), "max-age=60; includeSubDomains");
    }
}
