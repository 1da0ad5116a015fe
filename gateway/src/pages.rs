//! What the gateway answers itself: an index, the OpenAPI document, and a page that shows it. The
//! page brings its own script and style, so its content policy allows nothing from elsewhere.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::answer::Answer;

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// `/`: where everything is.
    Index,
    /// The OpenAPI document.
    OpenApi,
    /// The document for people.
    Docs,
    /// Its style.
    DocsStyle,
    /// Its script.
    DocsScript,
}

const DOCS_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

static OPENAPI: LazyLock<Answer> = LazyLock::new(|| {
    let document = Bytes::from(crate::openapi::document().to_string());
    with_policy(Answer::json(StatusCode::OK, document)).shared()
});

impl Page {
    /// Every page.
    pub const ALL: [Self; 5] = [Self::Index, Self::OpenApi, Self::Docs, Self::DocsStyle, Self::DocsScript];

    /// Where it is.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Index => "/",
            Self::OpenApi => "/api/v1/openapi.json",
            Self::Docs => "/api/v1/docs",
            Self::DocsStyle => "/api/v1/docs/style.css",
            Self::DocsScript => "/api/v1/docs/script.js",
        }
    }

    /// The page.
    #[must_use]
    pub fn answer(self) -> Answer {
        match self {
            Self::Index => index(),
            Self::OpenApi => OPENAPI.clone(),
            Self::Docs => file("text/html; charset=utf-8", include_str!("../static/docs.html")),
            Self::DocsStyle => file("text/css; charset=utf-8", include_str!("../static/style.css")),
            Self::DocsScript => file("text/javascript; charset=utf-8", include_str!("../static/script.js")),
        }
    }
}

fn index() -> Answer {
    let links = json!({
        "name": "vbwd",
        "version": env!("CARGO_PKG_VERSION"),
        "docs": Page::Docs.path(),
        "openapi": Page::OpenApi.path(),
    });
    Answer::json(StatusCode::OK, Bytes::from(links.to_string()))
}

fn file(kind: &'static str, text: &'static str) -> Answer {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
    with_policy(Answer::new(StatusCode::OK, headers, Bytes::from_static(text.as_bytes())))
}

fn with_policy(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, DOCS_POLICY);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer
}
