//! Which pages of other origins may call the API: those whose origin the tenant allows, word for word.
//!
//! Only allowed origins learn anything: for all others there are no headers, and the browser refuses.
//! Credentials are allowed, because an origin is never a wildcard.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use ids::TenantId;
use routing::Question;

use crate::answer::Answer;
use crate::gate::Gate;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, min-position, \
     traceparent, vbwd-session",
);
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "etag, idempotent-replayed, location, ratelimit, ratelimit-policy, retry-after, x-request-id",
);
/// How long a browser may remember a preflight.
const REMEMBERED_SECONDS: HeaderValue = HeaderValue::from_static("600");
const REQUEST_METHOD: HeaderName = header::ACCESS_CONTROL_REQUEST_METHOD;

/// What a request's origin may read of the answer.
pub struct Sharing(Option<HeaderValue>);

impl Gate {
    /// Whether and with whom the answer is shared.
    pub(crate) fn sharing(&self, parts: &Parts) -> Sharing {
        let origin = parts.headers.get(header::ORIGIN);
        let allowed = |origin: &&HeaderValue| {
            let text = origin.to_str().unwrap_or_default();
            self.tenant_asked(parts).is_some_and(|tenant| self.rules.known().allows_origin(tenant, text))
        };
        Sharing(origin.filter(allowed).cloned())
    }

    /// The tenant that the routing table names for a request.
    pub(crate) fn tenant_asked(&self, parts: &Parts) -> Option<TenantId> {
        let (host, known) = (self.proxies.host(parts)?, self.rules.known());
        let question = Question::new(&host, parts.uri.path(), "", None);
        known.table.answer(&question).map(|answer| answer.tenant)
    }
}

impl Sharing {
    /// Writes what the browser wants to know. `Vary` tells caches that the answer knows its origin.
    pub fn write(self, headers: &mut HeaderMap) {
        let Some(origin) = self.0 else { return };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
}

/// The answer to a preflight; `None` when this is none.
#[must_use]
pub fn preflight(parts: &Parts) -> Option<Answer> {
    let asks = parts.headers.contains_key(header::ORIGIN) && parts.headers.contains_key(REQUEST_METHOD);
    if parts.method != Method::OPTIONS || !asks {
        return None;
    }
    let headers = HeaderMap::from_iter([
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_SECONDS),
        (header::VARY, HeaderValue::from_static("origin")),
    ]);
    Some(Answer::new(StatusCode::NO_CONTENT, headers, bytes::Bytes::new()))
}
