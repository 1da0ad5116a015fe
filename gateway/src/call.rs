//! One call of an rpc over HTTP: tenant, caller, limits, message, idempotency, answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use auth::Caller;
use axum::body::Body;
use bytes::Bytes;
use fault::{Code, Fault};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use ids::{OperationId, TenantId};

use crate::answer::Answer;
use crate::cookies;
use crate::gate::Gate;
use crate::idempotency::{self, Begun};
use crate::limits::Allowance;
use crate::metrics;
use crate::plan::Plan;
use crate::problem::{self, Refusal};
use crate::public_cache::unless_known;
use crate::reply::Reply;
use crate::transcode::{self, Input};

/// As much of a `User-Agent` as is passed on.
const USER_AGENT_BYTES_MAX: usize = 256;

/// What proxies say where they do not know.
const UNKNOWN_COUNTRY: &str = "XX";

/// A request whose caller was admitted.
pub(crate) struct Admitted<'a> {
    plan: &'a Plan,
    path: &'a [String],
    pub(crate) parts: &'a Parts,
    pub(crate) caller: Caller,
}

impl Gate {
    /// Calls the rpc of `plan`.
    ///
    /// # Errors
    /// What stands in the way before the caller is admitted.
    pub(crate) async fn call(
        self: &Arc<Self>,
        plan: &Arc<Plan>,
        path: &[String],
        parts: &Parts,
        body: Body,
        trace_id: &str,
        tenant: Option<TenantId>,
    ) -> problem::Result<Reply> {
        let _place = self.classes.enter(plan.rpc.rate_class)?;
        let tenant = self.tenant_of(parts, tenant).await?;
        let address = self.proxies.client(parts);
        self.must_be_meant(plan, parts)?;
        let (caller, allowance) = self.admit(plan, parts, tenant, address).await?;
        let request = Admitted { plan, path, parts, caller };
        let outcome = if plan.streams {
            self.stream(plan, &request, address, trace_id).await.map(Reply::Open)
        } else if plan.is_public_read() {
            self.read_in_public(&request).await.map(Reply::from)
        } else {
            self.act(&request, body, trace_id).await.map(Reply::from)
        };
        let mut answer = outcome.unwrap_or_else(|refusal| refusal.into_answer(trace_id).into());
        if let Some(allowance) = allowance {
            allowance.write(answer.headers_mut());
        }
        Ok(answer)
    }

    /// The tenant the rules have named, else the one identity knows for the host.
    ///
    /// # Errors
    /// 404 `unknown_host`; unavailable when identity cannot answer and the host is new.
    pub(crate) async fn tenant_of(&self, parts: &Parts, named: Option<TenantId>) -> fault::Result<TenantId> {
        match named {
            Some(tenant) => {
                self.tenants.count(tenant, self.rules.known().call_limit(tenant))?;
                Ok(tenant)
            }
            None => self.tenants.resolve(self.proxies.host(parts).as_deref()).await,
        }
    }

    /// Who calls, whether they may, and whether they may now. A public rpc answers everybody alike
    /// and so never looks at a token: an expired one does not keep anybody from logging in.
    async fn admit(
        &self,
        plan: &Plan,
        parts: &Parts,
        tenant: TenantId,
        address: IpAddr,
    ) -> problem::Result<(Caller, Option<Allowance>)> {
        let class = plan.rpc.rate_class;
        let nobody = Caller::anonymous(tenant);
        if plan.is_public() {
            let allowance = self.limits.count(class, &nobody, address)?;
            let origin = (!plan.is_public_read()).then(|| address.to_string());
            let country = origin.as_ref().and_then(|_| self.place_of(plan, parts));
            return Ok((Caller { origin, country, ..nobody }, allowance));
        }
        let caller = match self
            .bearer
            .caller(&parts.headers, tenant, Some(&address.to_string()), self.clock.wall())
            .await
        {
            Ok(caller) => caller,
            Err(fault) => {
                self.limits.count(class, &nobody, address)?; // guessing tokens costs too
                return Err(fault.into());
            }
        };
        let allowance = self.limits.count(class, &caller, address)?;
        auth::permit(&caller, plan.rpc.access.as_ref())?;
        let (origin, country) = (Some(address.to_string()), self.place_of(plan, parts));
        Ok((Caller { origin, country, ..Arc::unwrap_or_clone(caller) }, allowance))
    }

    /// The client's country for identity, which keeps it with sessions; others get no other assertion
    /// for it.
    fn place_of(&self, plan: &Plan, parts: &Parts) -> Option<String> {
        let told = self.country(parts).filter(|_| plan.rpc.service == "identity")?;
        let known = told.len() == 2 && told.bytes().all(|byte| byte.is_ascii_alphabetic());
        let country = told.to_ascii_uppercase();
        (known && country != UNKNOWN_COUNTRY).then_some(country)
    }

    async fn read_in_public(&self, request: &Admitted<'_>) -> problem::Result<Answer> {
        let (plan, uri) = (request.plan, &request.parts.uri);
        let path_and_query = uri.path_and_query().map_or(uri.path(), http::uri::PathAndQuery::as_str);
        let key = self.cache.key(request.caller.tenant, plan.rpc.service.as_str(), path_and_query);
        let answer = match self.cache.get(&key) {
            Some(kept) => {
                metrics::public_read("hit");
                kept
            }
            None => {
                metrics::public_read("miss");
                let message = transcode::message(plan, &request.input(Bytes::new()))?;
                let answer = self.execute(request, OperationId::new(), message).await?;
                self.cache.keep(key, answer)
            }
        };
        Ok(unless_known(answer, &request.parts.headers))
    }

    async fn act(&self, request: &Admitted<'_>, body: Body, trace_id: &str) -> problem::Result<Answer> {
        let plan = request.plan;
        let key = idempotency::key(plan, &request.parts.headers)?;
        let body = self.read_body(plan, request.parts, body).await?;
        let message = transcode::message(plan, &request.input(body.clone()))?;
        let operation = idempotency::operation(plan, &request.caller, key);
        let mut answer = match key.filter(|_| idempotency::keeps_answers(plan)) {
            None => self.execute(request, operation, message).await?,
            Some(key) => match self.store.begin(request.keyed(key, &body), self.clock.wall()).await? {
                Begun::Answered(answer) => answer,
                Begun::Execute(claim) => {
                    let work = self.execute(request, operation, message);
                    idempotency::executed(claim, trace_id, work).await?
                }
            },
        };
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(cookies::moved(plan, &request.parts.headers, answer)?)
    }

    async fn execute(
        &self,
        request: &Admitted<'_>,
        operation: OperationId,
        message: Bytes,
    ) -> problem::Result<Answer> {
        let (plan, caller) = (request.plan, &request.caller);
        let patience = self.patience(plan);
        let outcome = self.upstream.call(plan, caller, operation, message, request.device(), patience).await;
        if plan.is_write() {
            self.cache.written(caller.tenant, plan.rpc.service.as_str());
        }
        if plan.is_write() && !plan.is_public() && plan.rpc.service == "identity" {
            self.bearer.authorities().changed(caller.tenant, None);
            self.rules.changed();
        }
        let written = transcode::to_json(plan, outcome?)?;
        let mut answer = Answer::json(plan.success, written.json);
        if let Some(revision) = written.revision {
            answer.headers_mut().insert(header::ETAG, revision_tag(revision)?);
        }
        Ok(answer)
    }

    async fn read_body(&self, plan: &Plan, parts: &Parts, body: Body) -> problem::Result<Bytes> {
        if !(plan.route.body || plan.route.raw_body) {
            return Ok(Bytes::new());
        }
        let bytes_max = self.config.body_bytes_max;
        let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if announced.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > bytes_max)
        {
            return Err(too_large(bytes_max));
        }
        let read = Limited::new(body, bytes_max).collect();
        match tokio::time::timeout(self.patience(plan), read).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bytes_max)),
            Ok(Err(error)) => Err(Fault::new(Code::InvalidInput, "body_incomplete", "The body ended early.")
                .with_source(error)
                .into()),
            Err(_) => {
                Err(Refusal::http(StatusCode::REQUEST_TIMEOUT, "body_timeout", "The body came too slowly."))
            }
        }
    }

    pub(crate) const fn patience(&self, plan: &Plan) -> Duration {
        Duration::from_millis(self.config.rates.of(plan.rpc.rate_class).timeout_ms)
    }
}

impl Admitted<'_> {
    /// What the client says it is, where that is kept: identity shows it in the list of sessions.
    fn device(&self) -> Option<&str> {
        let text = self.parts.headers.get(header::USER_AGENT)?.to_str().ok()?;
        (self.plan.rpc.service == "identity").then(|| text.get(..USER_AGENT_BYTES_MAX).unwrap_or(text))
    }

    pub(crate) fn input(&self, body: Bytes) -> Input<'_> {
        Input { path: self.path, query: self.parts.uri.query(), headers: &self.parts.headers, body }
    }

    fn keyed<'a>(&'a self, key: &'a str, body: &'a Bytes) -> idempotency::Request<'a> {
        let uri = &self.parts.uri;
        idempotency::Request {
            tenant: self.caller.tenant,
            caller: idempotency::owner(&self.caller),
            rpc: self.plan.rpc.path.as_str(),
            key,
            parts: [uri.path().as_bytes(), uri.query().unwrap_or_default().as_bytes(), body],
        }
    }
}

/// The entity tag of a thing is its revision: what `If-Match` sends back.
fn revision_tag(revision: i64) -> fault::Result<HeaderValue> {
    HeaderValue::from_str(&format!("\"{revision}\"")).map_err(Fault::internal)
}

fn too_large(bytes_max: usize) -> Refusal {
    let message = "The body is larger than this gateway takes.";
    Refusal::http(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message).with_fact("bytes_max", bytes_max)
}
