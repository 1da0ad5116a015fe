//! Uploads: bodies that are passed on as they arrive and never held whole.
//!
//! A [`Sink`] is what a part of the product does with files at one path; this file is what all uploads
//! share. The announced length is checked before a byte is read, the real one with every chunk. What a
//! client says about the type is not believed: the first bytes must be those of a type the sink takes,
//! and that type is told to the sink, so that a page cannot pass for a picture. A body that comes too
//! slowly is given up. A sink that fails, or whose upload ends early, throws away what it has.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use auth::{Caller, permit};
use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use contracts::Access;
use fault::{Code, Fault};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use ids::TenantId;
use tokio::time::{Instant, timeout_at};

use crate::answer::Answer;
use crate::gate::Gate;
use crate::problem::{self, Refusal};

/// As many bytes as tell a type.
const SNIFFED: usize = 16;
/// Between two chunks.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// For the whole body.
const LIFE: Duration = Duration::from_secs(10 * 60);

/// A type of file, by the bytes it begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FileType {
    Png,
    Jpeg,
    Gif,
    Webp,
    Pdf,
}

/// Takes the files that are sent to one path.
pub trait Sink: Send + Sync {
    /// Who may send them.
    fn access(&self) -> Access;

    /// Which types are taken.
    fn types(&self) -> &[FileType];

    /// Largest file.
    fn bytes_max(&self) -> u64;

    /// Takes one; answers JSON.
    fn take<'a>(&'a self, caller: Arc<Caller>, file: Incoming) -> BoxFuture<'a, fault::Result<Bytes>>;
}

/// Sinks by path.
pub type Sinks = HashMap<&'static str, Arc<dyn Sink>>;

/// A file on its way.
pub struct Incoming {
    /// Its type, as its first bytes say.
    pub kind: FileType,
    first: Option<Bytes>,
    rest: BodyDataStream,
    left: u64,
    bytes_max: u64,
    ends_at: Instant,
}

impl FileType {
    /// The type of what begins like this.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some(Self::Png),
            [0xFF, 0xD8, 0xFF, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'%', b'P', b'D', b'F', b'-', ..] => Some(Self::Pdf),
            _ => None,
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Pdf => "application/pdf",
        }
    }
}

impl Incoming {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// 413 `body_too_large`, 408 `body_timeout`, 400 `body_incomplete`, as faults that the gateway tells.
    pub async fn next(&mut self) -> fault::Result<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let chunk = chunk(&mut self.rest, self.ends_at).await?;
        let Some(chunk) = chunk else { return Ok(None) };
        self.left = take(self.left, &chunk).ok_or_else(|| too_large(self.bytes_max))?;
        Ok(Some(chunk))
    }
}

impl Gate {
    /// Passes an upload on to its sink.
    ///
    /// # Errors
    /// 401, 403, 405, 413, 415 before the sink hears of it; then what the sink refuses.
    pub(crate) async fn upload(
        &self,
        sink: &dyn Sink,
        parts: &Parts,
        body: Body,
        tenant: TenantId,
    ) -> problem::Result<Answer> {
        if !matches!(parts.method, Method::PUT | Method::POST) {
            let refusal =
                Refusal::http(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Send a file here.");
            return Err(refusal.with_header(header::ALLOW, HeaderValue::from_static("POST, PUT, OPTIONS")));
        }
        self.must_be_meant_by_cookie(parts)?;
        let origin = self.proxies.client(parts).to_string();
        let caller = self.bearer.caller(&parts.headers, tenant, Some(&origin), self.clock.wall()).await?;
        permit(&caller, Some(&sink.access()))?;
        let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if announced.and_then(|text| text.parse().ok()).is_some_and(|length: u64| length > sink.bytes_max()) {
            return Err(told(too_large(sink.bytes_max())));
        }
        let incoming = begin(sink, body).await.map_err(told)?;
        let json = sink.take(caller, incoming).await.map_err(told)?;
        Ok(Answer::json(StatusCode::CREATED, json))
    }
}

/// Reads as much as tells the type.
async fn begin(sink: &dyn Sink, body: Body) -> fault::Result<Incoming> {
    let (mut rest, ends_at) = (body.into_data_stream(), Instant::now() + LIFE);
    let (mut first, mut left) = (Vec::new(), sink.bytes_max());
    while first.len() < SNIFFED {
        let Some(chunk) = chunk(&mut rest, ends_at).await? else { break };
        left = take(left, &chunk).ok_or_else(|| too_large(sink.bytes_max()))?;
        first.extend_from_slice(&chunk);
    }
    let kind = FileType::of(&first).filter(|kind| sink.types().contains(kind)).ok_or_else(|| {
        let types: Vec<_> = sink.types().iter().map(|kind| kind.media_type()).collect();
        Fault::new(Code::InvalidInput, "unsupported_media_type", "Files of this type are not taken here.")
            .with_fact("media_types", types.join(", "))
    })?;
    Ok(Incoming { kind, first: Some(first.into()), rest, left, bytes_max: sink.bytes_max(), ends_at })
}

async fn chunk(rest: &mut BodyDataStream, ends_at: Instant) -> fault::Result<Option<Bytes>> {
    let late = |_| Fault::new(Code::InvalidInput, "body_timeout", "The body came too slowly.");
    let until = ends_at.min(Instant::now() + PAUSE_MAX);
    let early =
        |error| Fault::new(Code::InvalidInput, "body_incomplete", "The body ended early.").with_source(error);
    timeout_at(until, rest.next()).await.map_err(late)?.transpose().map_err(early)
}

fn take(left: u64, chunk: &Bytes) -> Option<u64> {
    left.checked_sub(chunk.len() as u64)
}

fn too_large(bytes_max: u64) -> Fault {
    Fault::new(Code::InvalidInput, "body_too_large", "The file is larger than it may be.")
        .with_fact("bytes_max", bytes_max)
}

/// Some of what a body can do wrong has a status of its own.
fn told(fault: Fault) -> Refusal {
    let status = match fault.reason() {
        "body_too_large" => Some(StatusCode::PAYLOAD_TOO_LARGE),
        "body_timeout" => Some(StatusCode::REQUEST_TIMEOUT),
        "unsupported_media_type" => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        _ => None,
    };
    let refusal = Refusal::from(fault);
    match status {
        Some(status) => refusal.with_status(status),
        None => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_first_bytes() {
        let rows: [(&[u8], Option<FileType>); 7] = [
            (b"\x89PNG\r\n\x1a\n....", Some(FileType::Png)),
            (b"\xff\xd8\xff\xe0", Some(FileType::Jpeg)),
            (b"GIF89a", Some(FileType::Gif)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some(FileType::Webp)),
            (b"%PDF-1.7", Some(FileType::Pdf)),
            (b"<svg onload=alert(1)>", None),
            (b"", None),
        ];
        for (bytes, expected) in rows {
            assert_eq!(FileType::of(bytes), expected);
        }
    }
}
