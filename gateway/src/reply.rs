//! What goes back to the client: a complete [`Answer`], or a response whose body is still being made
//! (server-sent events, a file, an upgraded connection).

use axum::body::Body;
use http::{HeaderMap, Response, StatusCode};

use crate::answer::Answer;

/// A response, complete or not.
pub enum Reply {
    /// Complete: it can be kept, tagged and compressed.
    Whole(Box<Answer>),
    /// Its body follows; it is passed on as it is.
    Open(Response<Body>),
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Whole(Box::new(answer))
    }
}

impl Reply {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Whole(answer) => answer.status(),
            Self::Open(response) => response.status(),
        }
    }

    /// The headers, to add to.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        match self {
            Self::Whole(answer) => answer.headers_mut(),
            Self::Open(response) => response.headers_mut(),
        }
    }

    /// The response; a complete one is compressed when the client takes gzip and it is large.
    #[must_use]
    pub fn into_response(self, gzip: bool) -> Response<Body> {
        match self {
            Self::Whole(answer) => answer.into_response(gzip),
            Self::Open(response) => response,
        }
    }
}
