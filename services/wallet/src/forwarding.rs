//! Any replica accepts a call for the ledger; the partition's owner answers it.
//!
//! A layer in front of the rpcs that need the ledger. The tenant is known from the verified caller,
//! the partition from the tenant. When another process owns it, the call goes on as it came (path,
//! metadata with assertion and operation id, body) over HTTP/2 and the answer comes back with its
//! trailers; the owner verifies the assertion again.
//!
//! - **No loops**: a call that was passed on once is answered where it arrives, and be it with
//!   `ledger_not_served_here`.
//! - **Repeating**: a call whose request is one message is kept until it is answered, and tried again
//!   when the owner is gone, moves, or cannot say what became of it. That is safe because every
//!   command does the same under the same operation id, and the id is fixed before the first try.
//!   Tries and time (`service_wait`) are bounded; then the caller gets the last answer, a 503.
//! - **Streams** are passed on in both directions and never kept, so never repeated.

mod call;
mod owners;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use auth::Caller;
use fault::Fault;
use http::HeaderValue;
use journal::Holder;
use tokio::time::{Instant, sleep, timeout};
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::ServiceExt as _;

use crate::engine::{Ledger, Served};
use crate::metrics;
use call::{Call, whole};
use owners::Owners;

type HttpRequest = http::Request<Body>;
type HttpResponse = http::Response<Body>;

/// Who passed a call on.
const FORWARDED_BY: &str = "vbwd-ledger-forwarded-by";
/// Most tries of one call.
const TRIES_MAX: u32 = 30;
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long an owner that gave the partition up may still take to answer what it had.
const FAREWELL: Duration = Duration::from_millis(500);
/// Answers after which the same call may be sent again, here or elsewhere.
const PASSING: [&str; 3] = ["ledger_not_served_here", "ledger_lease_uncertain", "ledger_outcome_unknown"];

/// Makes services that answer for every partition.
#[derive(Clone)]
pub(crate) struct Forwarding(Arc<Inner>);

struct Inner {
    ledger: Ledger,
    owners: Owners,
    me: HeaderValue,
}

/// A service that answers for every partition.
#[derive(Clone)]
pub(crate) struct Forwarded<S> {
    inner: S,
    forwarding: Arc<Inner>,
}

impl Forwarding {
    pub(crate) fn new(ledger: Ledger) -> Self {
        let me = HeaderValue::from_str(&ledger.holder().owner);
        let me = me.unwrap_or_else(|_| HeaderValue::from_static("replica"));
        Self(Arc::new(Inner { ledger, owners: Owners::default(), me }))
    }
}

impl<S> tower::Layer<S> for Forwarding {
    type Service = Forwarded<S>;

    fn layer(&self, inner: S) -> Forwarded<S> {
        Forwarded { inner, forwarding: Arc::clone(&self.0) }
    }
}

impl<S: NamedService> NamedService for Forwarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> tower::Service<HttpRequest> for Forwarded<S>
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

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        let (inner, forwarding) = (self.inner.clone(), Arc::clone(&self.forwarding));
        let caller = request.extensions().get::<Arc<Caller>>();
        let partition = caller.map(|caller| forwarding.ledger.partition_of(caller.tenant));
        match partition {
            Some(partition) if !request.headers().contains_key(FORWARDED_BY) => {
                Box::pin(async move { Ok(forwarding.answer(inner, partition, request).await) })
            }
            _ => Box::pin(inner.oneshot(request)),
        }
    }
}

impl Inner {
    async fn answer<S>(&self, inner: S, partition: u16, request: HttpRequest) -> HttpResponse
    where
        S: tower::Service<HttpRequest, Response = HttpResponse, Error = Infallible> + Clone,
    {
        let rpc = contracts::method(request.uri().path()).map(|method| &method.descriptor);
        let deadline = Instant::now() + self.ledger.config().service_wait();
        if rpc.is_none_or(|rpc| rpc.is_client_streaming()) {
            return self.pass(inner, partition, request, deadline).await;
        }
        let streams_back = rpc.is_some_and(|rpc| rpc.is_server_streaming());
        match Call::read(request, streams_back).await {
            Ok(call) => self.insist(inner, partition, &call, deadline).await,
            Err(status) => status.into_http(),
        }
    }

    /// Answers a stream, here or there, once.
    async fn pass<S>(&self, inner: S, partition: u16, request: HttpRequest, deadline: Instant) -> HttpResponse
    where
        S: tower::Service<HttpRequest, Response = HttpResponse, Error = Infallible>,
    {
        match self.ledger.served_by(partition, deadline).await {
            Served::Elsewhere(owner) if !owner.address.is_empty() => {
                let sent = self.owners.send(&owner.address, self.marked(request)).await;
                sent.unwrap_or_else(|fault| self.unanswered(partition, fault))
            }
            Served::Nobody => refusal(self.ledger.elsewhere(partition)),
            Served::Here | Served::Elsewhere(_) => local(inner, request).await,
        }
    }

    /// Answers one message, here or there, trying again while the partition is between owners.
    async fn insist<S>(&self, inner: S, partition: u16, call: &Call, deadline: Instant) -> HttpResponse
    where
        S: tower::Service<HttpRequest, Response = HttpResponse, Error = Infallible> + Clone,
    {
        let (mut pause, mut tries) = (PAUSE_MIN, 1);
        loop {
            let served = self.ledger.served_by(partition, deadline).await;
            let answer = match &served {
                Served::Elsewhere(owner) if !owner.address.is_empty() => {
                    self.forward(partition, owner, call).await
                }
                // Without an address there is nowhere to send it; the handler says so.
                Served::Elsewhere(_) => return local(inner, call.request()).await,
                Served::Nobody => return refusal(self.ledger.elsewhere(partition)),
                Served::Here => local(inner.clone(), call.request()).await,
            };
            if !is_passing(&answer) || tries >= TRIES_MAX || Instant::now() + pause >= deadline {
                return answer;
            }
            self.ledger.look_again(partition);
            // Whether somebody else serves it now or the pause is over: try again.
            let _ = timeout(pause, self.ledger.changed_from(partition, &served)).await;
            (pause, tries) = ((pause * 2).min(PAUSE_MAX), tries + 1);
        }
    }

    /// Sends a call to the owner and takes the answer, unless the owner has lost the partition and
    /// stays silent.
    async fn forward(&self, partition: u16, owner: &Arc<Holder>, call: &Call) -> HttpResponse {
        let sending = async {
            let answer = self.owners.send(&owner.address, self.marked(call.request())).await?;
            if call.streams_back { Ok(answer) } else { whole(answer).await }
        };
        let lost = async {
            self.ledger.changed_from(partition, &Served::Elsewhere(Arc::clone(owner))).await;
            sleep(FAREWELL).await;
            Fault::unavailable("ledger_not_served_here", "the owner was replaced and did not answer")
        };
        let answer = tokio::select! {
            answer = sending => answer,
            fault = lost => Err(fault),
        };
        metrics::call_forwarded(answer.is_ok());
        answer.unwrap_or_else(|fault| self.unanswered(partition, fault))
    }

    fn marked(&self, mut request: HttpRequest) -> HttpRequest {
        let headers = request.headers_mut();
        headers.insert(FORWARDED_BY, self.me.clone());
        if let Some(value) = runtime::trace::current().and_then(|trace| trace.to_string().parse().ok()) {
            headers.insert(runtime::trace::TRACEPARENT, value);
        }
        request
    }

    fn unanswered(&self, partition: u16, fault: Fault) -> HttpResponse {
        tracing::debug!(partition, ?fault, "the owner did not answer");
        refusal(self.ledger.elsewhere(partition))
    }
}

async fn local<S>(inner: S, request: HttpRequest) -> HttpResponse
where
    S: tower::Service<HttpRequest, Response = HttpResponse, Error = Infallible>,
{
    match inner.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Whether the answer says nothing but that somebody else, or the same a little later, will know.
fn is_passing(answer: &HttpResponse) -> bool {
    let unavailable = HeaderValue::from_static("14");
    if answer.headers().get(Status::GRPC_STATUS) != Some(&unavailable) {
        return false;
    }
    let status = Status::from_header_map(answer.headers());
    status.is_some_and(|status| PASSING.contains(&Fault::from(status).reason()))
}

fn refusal(fault: Fault) -> HttpResponse {
    Status::from(fault).into_http()
}
