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
use contracts::RateClass;
use fault::{Code, Fault};
use futures::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use kernel::Clock;
use runtime::Drain;
use runtime::trace::{self, TraceContext};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::address::Proxies;
use crate::answer::{Answer, takes_gzip};
use crate::bearer::Bearer;
use crate::config::{AccessLog, Config, Rate, Rates};
use crate::cors;
use crate::front_ends::FrontEnds;
use crate::headers;
use crate::idempotency::Store;
use crate::limits::Limits;
use crate::metrics;
use crate::problem::{self, Refusal};
use crate::public_cache::PublicCache;
use crate::reply::Reply;
use crate::route_rules::Ruled;
use crate::routes::{Found, Routes};
use crate::rules::Rules;
use crate::socket::Conversations;
use crate::tenants::Tenants;
use crate::upload::Sinks;
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
    pub(crate) rules: Arc<Rules>,
    pub(crate) front_ends: FrontEnds,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) classes: Classes,
    pub(crate) drain: Drain,
    pub(crate) conversations: Conversations,
    pub(crate) sinks: Sinks,
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
        drain: Drain,
    ) -> fault::Result<Self> {
        config.validate()?;
        Ok(Self {
            routes: Routes::new()?,
            proxies: Proxies::new(&config.trusted_proxies)?,
            rules: Arc::new(Rules::new(upstream.clone())),
            front_ends: FrontEnds::new(&config.front_ends),
            streams: Arc::new(Semaphore::new(config.streams_max.min(Semaphore::MAX_PERMITS))),
            classes: Classes::new(&config.rates),
            drain,
            conversations: Conversations::new(),
            sinks: Sinks::new(),
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

    async fn answer(
        self: &Arc<Self>,
        parts: &mut Parts,
        body: Body,
        trace_id: &str,
        route: &mut &'static str,
    ) -> Reply {
        let work = AssertUnwindSafe(self.routed(parts, body, trace_id, route)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|panic| Err(Fault::internal(panic_text(&*panic)).into()));
        outcome.unwrap_or_else(|refusal| refusal.into_answer(trace_id).into())
    }

    async fn routed(
        self: &Arc<Self>,
        parts: &mut Parts,
        body: Body,
        trace_id: &str,
        route: &mut &'static str,
    ) -> problem::Result<Reply> {
        let _place = self.in_flight.try_acquire().map_err(|_| overloaded())?;
        headers::must_fit(&parts.headers, self.config.header_bytes_max)?;
        if let Some(preflight) = cors::preflight(parts) {
            *route = "preflight";
            return Ok(preflight.into());
        }
        let tenant = match self.ruled(parts).await? {
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
            let tenant = self.tenant_of(parts, tenant).await?;
            return self.converse(Arc::clone(conversation), parts, tenant).await;
        }
        if let Some(sink) = self.sinks.get(parts.uri.path()) {
            *route = "upload";
            let tenant = self.tenant_of(parts, tenant).await?;
            return self.upload(&**sink, parts, body, tenant).await.map(Reply::from);
        }
        match self.routes.find(&parts.method, parts.uri.path())? {
            Found::Rpc(plan, path) => {
                *route = plan.rpc.path.as_str();
                headers::must_take(&parts.headers, plan.media_type())?;
                Box::pin(self.call(&plan, &path, parts, body, trace_id, tenant)).await
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
        match self.config.access_log {
            AccessLog::Off => {}
            AccessLog::Debug => tracing::debug!(method, path, route, status, seconds, "request"),
            AccessLog::Info => tracing::info!(method, path, route, status, seconds, "request"),
        }
    }
}

/// Places for the requests of each rate class.
pub(crate) struct Classes([Semaphore; 4]);

impl Classes {
    fn new(rates: &Rates) -> Self {
        let places = |rate: Rate| Semaphore::new(rate.in_flight_max.min(Semaphore::MAX_PERMITS));
        Self([places(rates.read), places(rates.write), places(rates.login), places(rates.webhook)])
    }

    /// A place for a request of `class`.
    ///
    /// # Errors
    /// 503 `overloaded` when there is none.
    pub(crate) fn enter(&self, class: RateClass) -> problem::Result<SemaphorePermit<'_>> {
        let [read, write, login, webhook] = &self.0;
        let places = match class {
            RateClass::Read => read,
            RateClass::Write => write,
            RateClass::Login => login,
            RateClass::Webhook => webhook,
        };
        places.try_acquire().map_err(|_| overloaded())
    }
}

/// Answers one request.
pub async fn handle(State(gate): State<Arc<Gate>>, request: Request<Body>) -> Response<Body> {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    let (gzip, sharing) = (takes_gzip(&parts.headers), gate.sharing(&parts));
    let traceparent = parts.headers.get(trace::TRACEPARENT).and_then(|value| value.to_str().ok());
    let parent = TraceContext::incoming(traceparent);
    let trace_id = parent.trace_id();
    let span = tracing::info_span!("http", trace_id = tracing::field::Empty);
    let work = async {
        let mut route = "none";
        let (method, asked) = (parts.method.clone(), parts.uri.clone());
        let reply = gate.answer(&mut parts, body, &trace_id, &mut route).await;
        gate.observe(&method, asked.path(), &reply, route, started);
        reply
    };
    let mut answer = trace::scope(parent, span, work).await;
    sharing.write(answer.headers_mut());
    headers::secure(answer.headers_mut(), gate.hsts.as_ref());
    if let Ok(id) = HeaderValue::from_str(&trace_id) {
        answer.headers_mut().insert(headers::REQUEST_ID, id);
    }
    answer.into_response(gzip)
}

fn overloaded() -> Refusal {
    Fault::new(Code::Unavailable, "overloaded", "Too many requests are being served; try again.").into()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
