//! The way of one request: from the socket to a service and back.
//!
//! Outside (this file): the trace, the load limit, panics, security headers, metrics, the access
//! log. Inside ([`crate::call`]): tenant, caller, limits, transcoding, idempotency. Inner steps
//! return a [`Refusal`](problem::Refusal) and know nothing about documents.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use fault::{Code, Fault};
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use kernel::Clock;
use runtime::trace::{self, TraceContext};
use tokio::sync::Semaphore;

use crate::address::Proxies;
use crate::answer::{Answer, takes_gzip};
use crate::bearer::Bearer;
use crate::config::{AccessLog, Config};
use crate::headers;
use crate::idempotency::Store;
use crate::limits::Limits;
use crate::metrics;
use crate::problem::{self, Refusal};
use crate::public_cache::PublicCache;
use crate::routes::{Found, Routes};
use crate::tenants::Tenants;
use crate::upstream::Upstream;

/// Everything a request may need.
pub struct Gate {
    pub(crate) config: Config,
    pub(crate) routes: Routes,
    pub(crate) proxies: Proxies,
    pub(crate) tenants: Tenants,
    pub(crate) bearer: Bearer,
    pub(crate) limits: Arc<Limits>,
    pub(crate) cache: PublicCache,
    pub(crate) store: Store,
    pub(crate) upstream: Upstream,
    pub(crate) clock: Arc<dyn Clock>,
    in_flight: Semaphore,
    hsts: Option<HeaderValue>,
}

impl Gate {
    /// A gate in front of the services of `upstream`.
    ///
    /// # Errors
    /// When the configuration or a route cannot work.
    pub fn new(
        config: Config,
        upstream: Upstream,
        store: Store,
        clock: Arc<dyn Clock>,
    ) -> fault::Result<Self> {
        config.validate()?;
        Ok(Self {
            routes: Routes::new()?,
            proxies: Proxies::new(&config.trusted_proxies)?,
            tenants: Tenants::new(upstream.clone()),
            bearer: Bearer::new(upstream.clone()),
            limits: Arc::new(Limits::new(&config.rates)),
            cache: PublicCache::new(Duration::from_millis(config.public_cache_ms)),
            in_flight: Semaphore::new(config.concurrency_max.min(Semaphore::MAX_PERMITS)),
            hsts: headers::hsts(config.hsts_seconds),
            store,
            upstream,
            clock,
            config,
        })
    }

    async fn answer(&self, parts: &Parts, body: Body, trace_id: &str, route: &mut &'static str) -> Answer {
        let work = AssertUnwindSafe(self.routed(parts, body, trace_id, route)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|panic| Err(Fault::internal(panic_text(&*panic)).into()));
        outcome.unwrap_or_else(|refusal| refusal.into_answer(trace_id))
    }

    async fn routed(
        &self,
        parts: &Parts,
        body: Body,
        trace_id: &str,
        route: &mut &'static str,
    ) -> problem::Result<Answer> {
        let _place = self.in_flight.try_acquire().map_err(|_| overloaded())?;
        headers::must_fit(&parts.headers, self.config.header_bytes_max)?;
        match self.routes.find(&parts.method, parts.uri.path())? {
            Found::Rpc(plan, path) => {
                *route = plan.rpc.path.as_str();
                headers::must_take_json(&parts.headers)?;
                Box::pin(self.call(&plan, &path, parts, body, trace_id)).await
            }
            Found::Page(page) => {
                *route = page.path();
                Ok(page.answer())
            }
            Found::Verbs(allow) => {
                let headers = HeaderMap::from_iter([(header::ALLOW, allow)]);
                Ok(Answer::new(StatusCode::NO_CONTENT, headers, bytes::Bytes::new()))
            }
        }
    }

    fn observe(&self, parts: &Parts, answer: &Answer, route: &'static str, started: Instant) {
        let (status, took) = (answer.status().as_u16(), started.elapsed());
        metrics::answered(route, status, took);
        let seconds = took.as_secs_f64();
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        match self.config.access_log {
            AccessLog::Off => {}
            AccessLog::Debug => tracing::debug!(method, path, route, status, seconds, "request"),
            AccessLog::Info => tracing::info!(method, path, route, status, seconds, "request"),
        }
    }
}

/// Answers one request.
pub async fn handle(State(gate): State<Arc<Gate>>, request: Request<Body>) -> Response<Body> {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let traceparent = parts.headers.get(trace::TRACEPARENT).and_then(|value| value.to_str().ok());
    let parent = TraceContext::incoming(traceparent);
    let trace_id = parent.trace_id();
    let span = tracing::info_span!("http", trace_id = tracing::field::Empty);
    let work = async {
        let mut route = "none";
        let answer = gate.answer(&parts, body, &trace_id, &mut route).await;
        gate.observe(&parts, &answer, route, started);
        answer
    };
    let mut answer = trace::scope(parent, span, work).await;
    headers::secure(answer.headers_mut(), gate.hsts.as_ref());
    if let Ok(id) = HeaderValue::from_str(&trace_id) {
        answer.headers_mut().insert(headers::REQUEST_ID, id);
    }
    answer.into_response(takes_gzip(&parts.headers))
}

fn overloaded() -> Refusal {
    Fault::new(Code::Unavailable, "overloaded", "Too many requests are being served; try again.").into()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
