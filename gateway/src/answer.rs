//! An answer before it becomes an HTTP response: status, headers and the whole body.
//!
//! Bodies are complete, so lengths are known, an answer can be kept for repetition, and compressing
//! is one function. Answers that are served often share their compressed form.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

/// Bodies below this are not worth compressing.
const GZIP_BYTES_MIN: usize = 1024;

/// A complete answer.
#[derive(Debug, Clone)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    compressed: Option<Arc<OnceLock<Bytes>>>,
}

impl Answer {
    /// An answer with these parts.
    #[must_use]
    pub const fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { status, headers, body, compressed: None }
    }

    /// A JSON answer.
    #[must_use]
    pub fn json(status: StatusCode, body: Bytes) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self::new(status, headers, body)
    }

    /// The same answer, compressed at most once however often it is cloned and sent.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.compressed = Some(Arc::default());
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The headers, to add to.
    pub const fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// The body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The same answer with another body.
    #[must_use]
    pub fn with_body(mut self, body: Bytes) -> Self {
        self.body = body;
        self.compressed = None;
        self
    }

    /// Takes the body away: 304.
    #[must_use]
    pub fn not_modified(mut self) -> Self {
        self.status = StatusCode::NOT_MODIFIED;
        self.body = Bytes::new();
        self.compressed = None;
        self
    }

    /// The response, compressed when the client takes gzip and the body is large.
    #[must_use]
    pub fn into_response(mut self, gzip: bool) -> Response<Body> {
        if self.body.len() >= GZIP_BYTES_MIN {
            self.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
            if gzip && let Some(small) = self.compressed() {
                self.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                self.body = small;
            }
        }
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    fn compressed(&self) -> Option<Bytes> {
        let Some(shared) = &self.compressed else { return compress(&self.body) };
        if let Some(ready) = shared.get() {
            return Some(ready.clone());
        }
        let small = compress(&self.body)?;
        Some(shared.get_or_init(|| small).clone())
    }
}

/// Whether the client takes gzip.
#[must_use]
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    listed.unwrap_or_default().split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000");
        matches!(name.trim(), "gzip" | "*") && !refused
    })
}

fn compress(body: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn large() -> Answer {
        Answer::json(StatusCode::OK, Bytes::from("a".repeat(5000))).shared()
    }

    #[tokio::test]
    async fn large_bodies_are_compressed_for_those_who_take_it() {
        let response = large().into_response(true);
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), 5000);
        let plain = large().into_response(false);
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        assert_eq!(plain.headers()[header::VARY], "accept-encoding");
    }

    #[test]
    fn small_bodies_are_left_alone() {
        let response = Answer::json(StatusCode::OK, Bytes::from("{}")).into_response(true);
        assert!(!response.headers().contains_key(header::CONTENT_ENCODING));
    }

    #[test]
    fn accept_encoding_is_understood() {
        let takes = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().unwrap());
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("br, gzip;q=0.5") && takes("*"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes_gzip(&HeaderMap::new()));
    }
}
