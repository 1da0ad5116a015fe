//! A call whose request is one message, kept so that it can be made again.

use bytes::Bytes;
use fault::Fault;
use http::{HeaderName, HeaderValue};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use ids::OperationId;
use tonic::Status;
use tonic::body::Body;

use super::{HttpRequest, HttpResponse};

/// Larger requests are refused; what the servers accept is less.
const REQUEST_MAX_BYTES: usize = 17 * 1024 * 1024;
/// Larger answers of one message cannot be.
const ANSWER_MAX_BYTES: usize = 64 * 1024 * 1024;

/// A call that can be made again.
pub(super) struct Call {
    parts: http::request::Parts,
    body: Bytes,
    /// Whether the answer is a stream, which is passed on while it comes.
    pub(super) streams_back: bool,
}

impl Call {
    /// Reads the request's message. From now on the call has an operation id, so that however often
    /// it is made it means the same.
    pub(super) async fn read(request: HttpRequest, streams_back: bool) -> Result<Self, Status> {
        let (mut parts, body) = request.into_parts();
        let body = Limited::new(body, REQUEST_MAX_BYTES).collect().await.map_err(unread)?.to_bytes();
        if !parts.headers.contains_key(runtime::OPERATION_ID) {
            let id = HeaderValue::from_str(&OperationId::new().to_string());
            parts.headers.extend(id.ok().map(|id| (HeaderName::from_static(runtime::OPERATION_ID), id)));
        }
        Ok(Self { parts, body, streams_back })
    }

    /// The request, once more.
    pub(super) fn request(&self) -> HttpRequest {
        HttpRequest::from_parts(self.parts.clone(), Body::new(Full::new(self.body.clone())))
    }
}

fn unread(error: Box<dyn std::error::Error + Send + Sync>) -> Status {
    if error.is::<LengthLimitError>() {
        return Status::out_of_range("the request is too large");
    }
    Status::cancelled("the request ended early")
}

/// The answer with its whole message and its trailers: when the owner dies in the middle of it, the
/// call is made again and the caller sees nothing of that.
pub(super) async fn whole(answer: HttpResponse) -> fault::Result<HttpResponse> {
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_MAX_BYTES).collect().await;
    let body = body.map_err(|error| Fault::unavailable("ledger_not_served_here", error))?;
    Ok(HttpResponse::from_parts(parts, Body::new(body)))
}
