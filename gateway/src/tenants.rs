//! Which tenant answers on a host, and whether it may. identity knows; the gateway remembers for five
//! seconds, hosts without a tenant too, and forgets at once when it hears that a tenant has changed.
//! When identity cannot answer, what was known goes on being true for a while: reads of other services
//! need not stop with it. Calls of tenants with a limit are counted here, all their callers together.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::Bus;
use contracts::vbwd::identity::v1::ResolveTenantRequest;
use contracts::vbwd::identity::v1::tenant_service_client::TenantServiceClient;
use fault::{Code, Fault};
use futures::StreamExt as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use ids::TenantId;
use moka::sync::Cache;
use runtime::Drain;

use crate::upstream::{self, Upstream};

const FRESH: Duration = Duration::from_secs(5);
const USABLE: Duration = Duration::from_secs(600);
const REMEMBERED_MAX: u64 = 10_000;

/// Resolves hosts.
pub struct Tenants {
    upstream: Upstream,
    known: Cache<String, Known>,
    /// By tenant and limit: another limit begins anew.
    counts: Cache<(TenantId, u32), Arc<DefaultDirectRateLimiter>>,
}

#[derive(Clone, Copy)]
struct Known {
    answer: Answer,
    since: Instant,
}

#[derive(Clone, Copy)]
enum Answer {
    Nobody,
    Closed,
    Tenant { id: TenantId, requests_per_minute: u32 },
}

impl Tenants {
    /// Nothing known yet.
    #[must_use]
    pub fn new(upstream: Upstream) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(USABLE).build();
        let counts = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_idle(USABLE).build();
        Self { upstream, known, counts }
    }

    /// The tenant on `host`.
    ///
    /// # Errors
    /// 404 `unknown_host`; 403 `tenant_suspended`; 429 `tenant_rate_limited`; unavailable when identity
    /// cannot answer and the host is new.
    pub async fn resolve(&self, host: Option<&str>) -> fault::Result<TenantId> {
        let host = host.ok_or_else(unknown)?;
        let known = self.known.get(host);
        if let Some(known) = known.filter(|known| known.since.elapsed() < FRESH) {
            return self.admit(known.answer);
        }
        let since = Instant::now();
        let answer = match (self.ask(host).await, known) {
            (Ok(answer), _) => answer,
            (Err(fault), Some(known)) if fault.is_transient() => return self.admit(known.answer),
            (Err(fault), _) => return Err(fault),
        };
        self.known.insert(host.to_owned(), Known { answer, since });
        self.admit(answer)
    }

    /// Hears what changes about tenants, and asks anew afterwards.
    ///
    /// # Errors
    /// When the subscription cannot be made.
    pub async fn listen(&self, bus: Bus, drain: Drain) -> fault::Result<()> {
        let unreachable = |error| Fault::unavailable("broker_unavailable", error);
        let subject = bus.subject("evt.*.identity.tenant.>");
        let mut heard = bus.client().subscribe(subject).await.map_err(unreachable)?;
        loop {
            tokio::select! {
                () = drain.cancelled() => return Ok(()),
                message = heard.next() => match message {
                    Some(_) => self.known.invalidate_all(),
                    None => return Err(Fault::unavailable("broker_unavailable", "the subscription ended")),
                },
            }
        }
    }

    fn admit(&self, answer: Answer) -> fault::Result<TenantId> {
        let (id, limit) = match answer {
            Answer::Nobody => return Err(unknown()),
            Answer::Closed => return Err(closed()),
            Answer::Tenant { id, requests_per_minute } => (id, requests_per_minute),
        };
        self.count(id, limit).map(|()| id)
    }

    /// Counts a call to a tenant that may have so many a minute; 0 is without limit.
    ///
    /// # Errors
    /// 429 `tenant_rate_limited`.
    pub fn count(&self, tenant: TenantId, limit: u32) -> fault::Result<()> {
        let Some(quota) = NonZeroU32::new(limit).map(Quota::per_minute) else { return Ok(()) };
        let limiter = self.counts.get_with((tenant, limit), || Arc::new(RateLimiter::direct(quota)));
        let message = "This shop has more visitors than it may have at once. Try again in a minute.";
        limiter.check().map_err(|_| Fault::new(Code::TooMany, "tenant_rate_limited", message))
    }

    async fn ask(&self, host: &str) -> fault::Result<Answer> {
        let peer = self.upstream.peer("identity")?;
        let request = upstream::own(peer, None, ResolveTenantRequest { host: host.to_owned() })?;
        let answer = TenantServiceClient::new(peer.channel()).resolve_tenant(request).await;
        match answer.map_err(Fault::from) {
            Ok(answer) => {
                let answer = answer.into_inner();
                let id = answer.tenant_id.parse().map_err(Fault::internal)?;
                let requests_per_minute = u32::try_from(answer.requests_per_minute).unwrap_or_default();
                Ok(Answer::Tenant { id, requests_per_minute })
            }
            Err(fault) if fault.reason() == "tenant_suspended" => Ok(Answer::Closed),
            Err(fault) if fault.code() == Code::NotFound => Ok(Answer::Nobody),
            Err(fault) => Err(fault),
        }
    }
}

fn unknown() -> Fault {
    Fault::new(Code::NotFound, "unknown_host", "Nobody answers on this host.")
}

fn closed() -> Fault {
    Fault::new(Code::Forbidden, "tenant_suspended", "This shop is closed for the time being.")
}
