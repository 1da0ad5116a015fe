//! The layer around a service's rpcs: note, call, note how it ended.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use auth::Caller;
use axum::body::Body;
use contracts::Method;
use fault::Fault;
use futures::future::Either;
use http::{HeaderValue, Request, Response};
use ids::{EventId, OperationId};
use jiff_sqlx::ToSqlx as _;
use tonic::{Code, Status};

use super::outbox::Noted;
use super::{Trail, note, request};
use crate::{OPERATION_ID, trace};

/// Larger requests are not looked into; servers accept less.
const REQUEST_BYTES_MAX: usize = 17 * 1024 * 1024;
const DONE: &str = "done";
const UNKNOWN: &str = "unknown";
const REFUSED: &str = "refused";

/// Puts [`Audited`] around services.
#[derive(Clone)]
pub(super) struct AuditLayer(pub(super) Trail);

impl<S> tower::Layer<S> for AuditLayer {
    type Service = Audited<S>;

    fn layer(&self, inner: S) -> Audited<S> {
        Audited { trail: self.0.clone(), inner }
    }
}

/// A service whose privileged actions are noted.
#[derive(Clone)]
pub(super) struct Audited<S> {
    trail: Trail,
    inner: S,
}

type Answer = Result<Response<Body>, Infallible>;

impl<S> tower::Service<Request<Body>> for Audited<S>
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Answer> + Send>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some((rpc, caller)) = privileged(&request) else {
            return Either::Left(self.inner.call(request));
        };
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        Either::Right(Box::pin(audited(self.trail.clone(), rpc, caller, request, inner)))
    }
}

/// What a service of the fleet asks for follows from something that was recorded before.
fn privileged(request: &Request<Body>) -> Option<(&'static Method, Arc<Caller>)> {
    let caller = request.extensions().get::<Arc<Caller>>().filter(|caller| !caller.is_service())?;
    let rpc = contracts::method(request.uri().path()).filter(|rpc| rpc.is_privileged())?;
    Some((rpc, Arc::clone(caller)))
}

async fn audited<S>(
    trail: Trail,
    rpc: &'static Method,
    caller: Arc<Caller>,
    request: Request<Body>,
    mut inner: S,
) -> Answer
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let (request, mut noted) = match look_into(&trail, rpc, &caller, request).await {
        Ok(looked_into) => looked_into,
        Err(fault) => return Ok(refusal(fault)),
    };
    let ours = match trail.begin(&noted).await {
        Ok(ours) => ours,
        Err(fault) => return Ok(refusal(fault)),
    };
    let (answer, note) = note::listening(inner.call(request)).await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(never) => match never {},
    };
    let begun = note.before.is_some();
    add(&mut noted, note);
    let settled = match outcome(&answer).or(begun.then_some(REFUSED)) {
        Some(outcome) => {
            noted.outcome = Some(outcome.to_owned());
            trail.settle(&noted).await
        }
        None if ours => trail.withdraw(&noted).await,
        None => Ok(()),
    };
    if let Err(fault) = settled {
        tracing::warn!(rpc = rpc.path, ?fault, "the outcome of a privileged action could not be noted");
    }
    Ok(answer)
}

/// The request, whole, and the note about it.
async fn look_into(
    trail: &Trail,
    rpc: &'static Method,
    caller: &Caller,
    request: Request<Body>,
) -> fault::Result<(Request<Body>, Noted)> {
    let (mut parts, body) = request.into_parts();
    let known = parts.headers.get(OPERATION_ID).and_then(|value| value.to_str().ok()?.parse().ok());
    let operation = known.unwrap_or_else(OperationId::new);
    let value = HeaderValue::from_str(&operation.to_string()).map_err(Fault::internal)?;
    parts.headers.insert(OPERATION_ID, value);
    let mut noted = blank(trail, rpc, caller, operation);
    if rpc.descriptor.is_client_streaming() {
        noted.target = request::target(rpc, None);
        return Ok((Request::from_parts(parts, body), noted));
    }
    let body = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await.map_err(|error| {
        Fault::invalid("", "unreadable", "The request could not be read.").with_source(error)
    })?;
    let message = request::message(rpc, &body);
    noted.target = request::target(rpc, message.as_ref());
    noted.after_json = message.map(|message| request::shown(&message, &body)).unwrap_or_default();
    Ok((Request::from_parts(parts, Body::from(body)), noted))
}

fn blank(trail: &Trail, rpc: &Method, caller: &Caller, operation: OperationId) -> Noted {
    let facts = ["audit", &caller.tenant.to_string(), &operation.to_string(), &rpc.path];
    Noted {
        entry_id: EventId::derived(&facts).as_uuid(),
        tenant_id: caller.tenant.as_uuid(),
        at: trail.clock.wall().to_sqlx(),
        actor: caller.actor(),
        action: request::action(rpc),
        target: String::new(),
        origin_address: caller.origin.clone().unwrap_or_default(),
        trace_id: trace::current().map(|trace| trace.trace_id()).unwrap_or_default(),
        operation_id: operation.as_uuid(),
        outcome: None,
        before_json: String::new(),
        after_json: String::new(),
    }
}

fn add(noted: &mut Noted, note: note::Note) {
    if let Some(target) = note.target {
        noted.target = target;
    }
    if let Some(before) = note.before {
        noted.before_json = before.to_string();
    }
    if let Some(after) = note.after {
        noted.after_json = after.to_string();
    }
}

/// `None` when it was refused. Unless the handler has said before that something changes (a request
/// to a payment provider, say), nothing was done then.
fn outcome(answer: &Response<Body>) -> Option<&'static str> {
    let status = answer.headers().get(Status::GRPC_STATUS);
    match status.map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes())) {
        Code::Ok => Some(DONE),
        Code::Internal | Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Cancelled => {
            Some(UNKNOWN)
        }
        _ => None,
    }
}

fn refusal(fault: Fault) -> Response<Body> {
    Status::from(fault).into_http()
}
