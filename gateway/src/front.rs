//! The way of one request: from the socket to a service and back.
//!
//! Outside (this file): the trace, the load limit, panics, security headers, metrics, the access
//! log. Inside ([`crate::call`]): tenant, caller, limits, transcoding, idempotency. Inner steps
//! return a [`Refusal`](problem::Refusal) and know nothing about documents.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use fault::Fault;
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use runtime::trace::{self, TraceContext};

use crate::answer::{Answer, takes_gzip};
use crate::config::AccessLog;
use crate::cors;
use crate::gate::{Gate, overloaded};
use crate::headers;
use crate::metrics;
use crate::problem;
use crate::reply::Reply;
use crate::route_rules::Ruled;
use crate::routes::Found;
use crate::socket::Conversations;
use crate::upload::Sinks;

/// The gate, and what answers at it besides rpcs and pages.
pub struct Front {
    pub(crate) gate: Arc<Gate>,
    pub(crate) conversations: Conversations,
    pub(crate) sinks: Sinks,
}

impl Front {
    async fn answer(&self, parts: &mut Parts, body: Body, trace_id: &str, route: &mut &'static str) -> Reply {
        let work = AssertUnwindSafe(self.routed(parts, body, trace_id, route)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|panic| Err(Fault::internal(panic_text(&*panic)).into()));
        outcome.unwrap_or_else(|refusal| refusal.into_answer(trace_id).into())
    }

    async fn routed(
        &self,
        parts: &mut Parts,
        body: Body,
        trace_id: &str,
        route: &mut &'static str,
    ) -> problem::Result<Reply> {
        let gate = &self.gate;
        let _place = gate.in_flight.try_acquire().map_err(|_| overloaded())?;
        headers::must_fit(&parts.headers, gate.config.header_bytes_max)?;
        if let Some(preflight) = cors::preflight(parts) {
            *route = "preflight";
            return Ok(preflight.into());
        }
        let tenant = match gate.ruled(parts).await? {
            Ruled::Answered(reply) => {
                *route = "rule";
                return Ok(reply);
            }
            Ruled::Passed { tenant, uri } => {
                parts.uri = uri.unwrap_or_else(|| std::mem::take(&mut parts.uri));
                tenant
            }
        };
        if let Some(conversation) = self.conversations.get(parts.uri.path()) {
            *route = "socket";
            let tenant = gate.tenant_of(parts, tenant).await?;
            return gate.converse(Arc::clone(conversation), parts, tenant).await;
        }
        if let Some(sink) = self.sinks.get(parts.uri.path()) {
            *route = "upload";
            let tenant = gate.tenant_of(parts, tenant).await?;
            return gate.upload(&**sink, parts, body, tenant).await.map(Reply::from);
        }
        match gate.routes.find(&parts.method, parts.uri.path())? {
            Found::Rpc(plan, path) => {
                *route = plan.rpc.path.as_str();
                headers::must_take(&parts.headers, plan.media_type())?;
                Box::pin(gate.call(&plan, &path, parts, body, trace_id, tenant)).await
            }
            Found::Page(page) => {
                *route = page.path();
                Ok(page.answer().into())
            }
            Found::Verbs(allow) => {
                let headers = HeaderMap::from_iter([(header::ALLOW, allow)]);
                Ok(Answer::new(StatusCode::NO_CONTENT, headers, bytes::Bytes::new()).into())
            }
        }
    }

    fn observe(&self, method: &Method, path: &str, reply: &Reply, route: &'static str, started: Instant) {
        let (status, took) = (reply.status().as_u16(), started.elapsed());
        metrics::answered(route, status, took);
        let (seconds, method) = (took.as_secs_f64(), method.as_str());
        match self.gate.config.access_log {
            AccessLog::Off => {}
            AccessLog::Debug => tracing::debug!(method, path, route, status, seconds, "request"),
            AccessLog::Info => tracing::info!(method, path, route, status, seconds, "request"),
        }
    }
}

/// Answers one request.
pub async fn handle(State(front): State<Arc<Front>>, request: Request<Body>) -> Response<Body> {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    let (gzip, sharing) = (takes_gzip(&parts.headers), front.gate.sharing(&parts));
    let traceparent = parts.headers.get(trace::TRACEPARENT).and_then(|value| value.to_str().ok());
    let parent = TraceContext::incoming(traceparent);
    let trace_id = parent.trace_id();
    let span = tracing::info_span!("http", trace_id = tracing::field::Empty);
    let work = async {
        let mut route = "none";
        let (method, asked) = (parts.method.clone(), parts.uri.clone());
        let reply = front.answer(&mut parts, body, &trace_id, &mut route).await;
        front.observe(&method, asked.path(), &reply, route, started);
        reply
    };
    let mut answer = trace::scope(parent, span, work).await;
    sharing.write(answer.headers_mut());
    headers::secure(answer.headers_mut(), front.gate.hsts.as_ref());
    if let Ok(id) = HeaderValue::from_str(&trace_id) {
        answer.headers_mut().insert(headers::REQUEST_ID, id);
    }
    answer.into_response(gzip)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
