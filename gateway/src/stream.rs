//! Streaming rpcs as server-sent events.
//!
//! Each message is one event with the JSON it would have as an answer; the plan says which of its
//! fields is the event's id, and `Last-Event-ID` fills the request field from which the service goes
//! on. A comment every few seconds keeps proxies and the connection's own watch awake, and is when the
//! caller is looked at again: whoever was suspended, logged out or lost the permission is told so and
//! cut off. When the client goes, the body is dropped and with it the call, so the service stops too.
//! At a drain every stream ends with an event that says so, and clients come back elsewhere.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use fault::{Code, Fault};
use futures::stream;
use http::{HeaderMap, HeaderValue, Response, header};
use ids::{OperationId, TenantId};
use runtime::Drain;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tonic::Streaming;

use crate::call::Admitted;
use crate::gate::Gate;
use crate::metrics;
use crate::plan::Plan;
use crate::problem::{self, Refusal};
use crate::transcode;

/// A stream is opened anew after so long, so that no replica keeps its streams for ever.
const LIFE: Duration = Duration::from_secs(30 * 60);

/// An open stream.
struct Live {
    gate: Arc<Gate>,
    plan: Arc<Plan>,
    messages: Streaming<Bytes>,
    headers: HeaderMap,
    tenant: TenantId,
    address: IpAddr,
    trace_id: String,
    beat: Interval,
    ends_at: Instant,
    drain: Drain,
    over: bool,
    _place: OwnedSemaphorePermit,
}

impl Gate {
    /// Opens the stream of an rpc.
    ///
    /// # Errors
    /// What the service says instead of opening it; 503 when there are too many streams.
    pub(crate) async fn stream(
        self: &Arc<Self>,
        plan: &Arc<Plan>,
        request: &Admitted<'_>,
        address: IpAddr,
        trace_id: &str,
    ) -> problem::Result<Response<Body>> {
        let place = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| too_many())?;
        let message = transcode::message(plan, &request.input(Bytes::new()))?;
        let (caller, patience) = (&request.caller, self.patience(plan));
        let messages = self.upstream.open(plan, caller, OperationId::new(), message, patience).await?;
        let every = Duration::from_secs(self.config.heartbeat_seconds);
        let mut beat = tokio::time::interval_at(Instant::now() + every, every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        metrics::stream_opened(plan.rpc.path.as_str());
        let live = Live {
            gate: Arc::clone(self),
            plan: Arc::clone(plan),
            messages,
            headers: request.parts.headers.clone(),
            tenant: caller.tenant,
            address,
            trace_id: trace_id.to_owned(),
            beat,
            ends_at: Instant::now() + LIFE,
            drain: self.drain.clone(),
            over: false,
            _place: place,
        };
        Ok(response(live))
    }
}

fn response(live: Live) -> Response<Body> {
    let hello = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"retry: 1000\n\n"))]);
    let events = stream::unfold(live, |mut live| async move {
        if live.over {
            return None;
        }
        let chunk = live.next().await;
        Some((Ok::<_, Infallible>(chunk), live))
    });
    let mut response = Response::new(Body::from_stream(futures::StreamExt::chain(hello, events)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Live {
    /// The next piece of the body.
    async fn next(&mut self) -> Bytes {
        tokio::select! {
            biased;
            () = self.drain.cancelled() => self.end("draining"),
            () = tokio::time::sleep_until(self.ends_at) => self.end("renew"),
            _ = self.beat.tick() => match self.still_admitted().await {
                Ok(()) => Bytes::from_static(b":\n\n"),
                Err(fault) => self.fail(fault),
            },
            message = self.messages.message() => match message {
                Ok(Some(message)) => self.event(message).unwrap_or_else(|fault| self.fail(fault)),
                Ok(None) => self.end("complete"),
                Err(status) => self.fail(status.into()),
            },
        }
    }

    fn event(&self, message: Bytes) -> fault::Result<Bytes> {
        let written = transcode::to_json(&self.plan, message)?;
        let mut event = Vec::with_capacity(written.json.len() + 64);
        if let Some(id) = written.event_id.filter(|id| !id.contains(['\n', '\r', '\0'])) {
            event.extend_from_slice(b"id: ");
            event.extend_from_slice(id.as_bytes());
            event.push(b'\n');
        }
        // JSON as it is written here has no line breaks, so one line of data is all of it.
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(&written.json);
        event.extend_from_slice(b"\n\n");
        Ok(event.into())
    }

    fn end(&mut self, why: &'static str) -> Bytes {
        self.over = true;
        Bytes::from(format!("event: end\ndata: {{\"reason\":\"{why}\"}}\n\n"))
    }

    fn fail(&mut self, fault: Fault) -> Bytes {
        self.over = true;
        let problem = Refusal::from(fault).into_answer(&self.trace_id);
        let mut event = b"event: problem\ndata: ".to_vec();
        event.extend_from_slice(problem.body());
        event.extend_from_slice(b"\n\n");
        event.into()
    }

    async fn still_admitted(&self) -> fault::Result<()> {
        if self.plan.is_public() {
            return Ok(());
        }
        let (origin, now) = (self.address.to_string(), self.gate.clock.wall());
        let caller = self.gate.bearer.caller(&self.headers, self.tenant, Some(&origin), now).await?;
        auth::permit(&caller, self.plan.rpc.access.as_ref())
    }
}

fn too_many() -> Refusal {
    Fault::new(Code::Unavailable, "overloaded", "Too many streams are open; try again.").into()
}
