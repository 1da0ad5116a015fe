//! Front ends: folders of files that a build made. A path without a file is the application's own and
//! gets its first page; what carries a digest in its name is kept by browsers for a year.
//!
//! The content policy allows scripts and styles from the same host and from nowhere else.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;

use axum::body::Body;
use fault::{Code, Fault};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, header};
use tower::ServiceExt as _;
use tower_http::services::{ServeDir, ServeFile};

/// What a page of a front end may load: its own, and pictures from its own or in its text.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     object-src 'none'; require-trusted-types-for 'script'",
);
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The front ends of this installation.
pub struct FrontEnds(BTreeMap<String, Folder>);

type Folder = ServeDir<ServeFile>;

impl FrontEnds {
    /// Front ends by name, in these folders.
    #[must_use]
    pub fn new(folders: &BTreeMap<String, PathBuf>) -> Self {
        let serve = |folder: &PathBuf| {
            ServeDir::new(folder).precompressed_gzip().fallback(ServeFile::new(folder.join("index.html")))
        };
        Self(folders.iter().map(|(name, folder)| (name.clone(), serve(folder))).collect())
    }

    /// The file at `path` of the front end `name`.
    ///
    /// # Errors
    /// 503 `front_end_unknown` when this gateway has none of this name; 405 for anything but reads.
    pub async fn serve(&self, name: &str, path: &str, parts: &Parts) -> fault::Result<Response<Body>> {
        let unknown = || {
            Fault::new(Code::Unavailable, "front_end_unknown", "This front end is not installed here.")
                .with_fact("front_end", name)
        };
        let folder = self.0.get(name).ok_or_else(unknown)?.clone();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let mut request = Request::builder().method(parts.method.clone()).uri(encoded(&path));
        for name in [header::IF_MODIFIED_SINCE, header::RANGE, header::ACCEPT_ENCODING] {
            if let Some(value) = parts.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let request = request.body(Body::empty()).map_err(Fault::internal)?;
        let served: Result<_, Infallible> = folder.oneshot(request).await;
        let mut response = match served {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        };
        let life = if is_digested(&path) && response.status().is_success() { FOREVER } else { ASK_AGAIN };
        response.headers_mut().insert(header::CACHE_CONTROL, life);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
        if response.status() == StatusCode::NOT_FOUND {
            return Err(unknown());
        }
        Ok(response)
    }
}

fn encoded(path: &str) -> String {
    use percent_encoding::{CONTROLS, utf8_percent_encode};
    const SET: &percent_encoding::AsciiSet =
        &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'%');
    utf8_percent_encode(path, SET).to_string()
}

/// Builds put what never changes into `assets`.
fn is_digested(path: &str) -> bool {
    path.starts_with("/assets/")
}
