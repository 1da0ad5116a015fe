//! The guard in front of every rpc, in process and over the network alike.
//!
//! It looks the rpc up in the contracts' table, verifies the assertion, checks the access option,
//! opens the trace scope and counts. A handler behind it finds the verified caller in the request
//! and never sees a call that is not permitted. A panic in a handler becomes an internal fault of
//! that one call.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use auth::{AssertionKeys, Caller};
use fault::{Code, Fault};
use futures::FutureExt as _;
use kernel::Clock;
use tonic::Status;
use tonic::body::Body;

use crate::tasks::panic_text;
use crate::trace::{self, TraceContext};
use crate::undeclared;

type HttpRequest = http::Request<Body>;
type HttpResponse = http::Response<Body>;

/// Paths that need no caller: they say nothing about anybody.
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection."];

/// Makes guarded services.
#[derive(Clone)]
pub struct GuardLayer {
    keys: AssertionKeys,
    clock: Arc<dyn Clock>,
}

impl GuardLayer {
    /// A guard that accepts assertions signed with `keys`.
    #[must_use]
    pub fn new(keys: AssertionKeys, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock }
    }
}

impl<S> tower::Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, keys: self.keys.clone(), clock: Arc::clone(&self.clock) }
    }
}

/// A guarded service.
#[derive(Clone)]
pub struct Guard<S> {
    inner: S,
    keys: AssertionKeys,
    clock: Arc<dyn Clock>,
}

impl<S> tower::Service<HttpRequest> for Guard<S>
where
    S: tower::Service<HttpRequest, Response = HttpResponse, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: HttpRequest) -> Self::Future {
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        if OPEN.iter().any(|open| request.uri().path().starts_with(open)) {
            return Box::pin(inner.call(request));
        }
        match self.admit(&request) {
            Ok((rpc, caller)) => {
                request.extensions_mut().insert(Arc::clone(&caller));
                Box::pin(observed(rpc, caller, request, move |request| inner.call(request)))
            }
            Err(fault) => Box::pin(std::future::ready(Ok(refusal(fault)))),
        }
    }
}

impl<S> Guard<S> {
    fn admit(&self, request: &HttpRequest) -> fault::Result<(&'static str, Arc<Caller>)> {
        let rpc = contracts::method(request.uri().path())
            .ok_or_else(|| Fault::new(Code::NotFound, "rpc_unknown", "There is no such rpc."))?;
        let assertion = request.headers().get(auth::METADATA_KEY).and_then(|value| value.to_str().ok());
        let assertion = assertion.ok_or_else(|| {
            Fault::new(Code::Unauthenticated, "assertion_missing", "The call carries no assertion.")
        })?;
        let caller = self.keys.verify(assertion, self.clock.wall())?;
        auth::permit(&caller, rpc.access.as_ref())?;
        Ok((rpc.path.as_str(), caller))
    }
}

async fn observed<C, F>(
    rpc: &'static str,
    caller: Arc<Caller>,
    request: HttpRequest,
    call: C,
) -> Result<HttpResponse, Infallible>
where
    C: FnOnce(HttpRequest) -> F,
    F: Future<Output = Result<HttpResponse, Infallible>>,
{
    let started = Instant::now();
    let traceparent = request.headers().get(trace::TRACEPARENT).and_then(|value| value.to_str().ok());
    let parent = TraceContext::incoming(traceparent);
    let span = tracing::info_span!("rpc", rpc, tenant = %caller.tenant, actor = %caller.subject, trace_id = tracing::field::Empty);
    let work = AssertUnwindSafe(async move { call(request).await }).catch_unwind();
    let response = match trace::scope(parent, span, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => refusal(Fault::internal(panic_text(&*panic))),
    };
    undeclared::observe(rpc, response.headers());
    timings::of(rpc, response.headers().get(Status::GRPC_STATUS)).record(started.elapsed().as_secs_f64());
    Ok(response)
}

/// The histogram `vbwd_rpc_seconds`, found once for every rpc and outcome.
mod timings {
    use std::collections::HashMap;
    use std::sync::{LazyLock, OnceLock};

    use http::HeaderValue;
    use metrics::{Histogram, histogram};

    /// gRPC has the codes 0 to 16.
    const CODES: usize = 17;
    const UNKNOWN: usize = 2;

    type Outcomes = [OnceLock<Histogram>; CODES];

    static TIMINGS: LazyLock<HashMap<&'static str, Outcomes>> = LazyLock::new(|| {
        contracts::methods().iter().map(|method| (method.path.as_str(), Outcomes::default())).collect()
    });

    pub(super) fn of(rpc: &'static str, code: Option<&HeaderValue>) -> Histogram {
        let code = code.map_or(Some(0), |code| code.to_str().ok()?.parse().ok());
        let code = code.filter(|code| *code < CODES).unwrap_or(UNKNOWN);
        let find = || histogram!("vbwd_rpc_seconds", "rpc" => rpc, "grpc_code" => code.to_string());
        let known = TIMINGS.get(rpc).and_then(|outcomes| outcomes.get(code));
        known.map_or_else(find, |known| known.get_or_init(find).clone())
    }
}

fn refusal(fault: Fault) -> HttpResponse {
    Status::from(fault).into_http()
}
