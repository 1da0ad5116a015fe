//! Which tenant answers on a host. identity knows; the gateway remembers for five seconds, hosts
//! without a tenant too. When identity cannot answer, what was known goes on being true for a
//! while: reads of other services need not stop with it.

use std::time::{Duration, Instant};

use contracts::vbwd::identity::v1::ResolveTenantRequest;
use contracts::vbwd::identity::v1::tenant_service_client::TenantServiceClient;
use fault::{Code, Fault};
use ids::TenantId;
use moka::sync::Cache;

use crate::upstream::{self, Upstream};

const FRESH: Duration = Duration::from_secs(5);
const USABLE: Duration = Duration::from_secs(600);
const REMEMBERED_MAX: u64 = 10_000;

/// Resolves hosts.
pub struct Tenants {
    upstream: Upstream,
    known: Cache<String, Known>,
}

#[derive(Clone, Copy)]
struct Known {
    tenant: Option<TenantId>,
    since: Instant,
}

impl Tenants {
    /// Nothing known yet.
    #[must_use]
    pub fn new(upstream: Upstream) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(USABLE).build();
        Self { upstream, known }
    }

    /// The tenant on `host`.
    ///
    /// # Errors
    /// 404 `unknown_host`; unavailable when identity cannot answer and the host is new.
    pub async fn resolve(&self, host: Option<&str>) -> fault::Result<TenantId> {
        let host = host.ok_or_else(unknown)?;
        let known = self.known.get(host);
        if let Some(known) = known.filter(|known| known.since.elapsed() < FRESH) {
            return known.tenant.ok_or_else(unknown);
        }
        let tenant = match (self.ask(host).await, known) {
            (Ok(tenant), _) => tenant,
            (Err(fault), Some(known)) if fault.is_transient() => return known.tenant.ok_or_else(unknown),
            (Err(fault), _) => return Err(fault),
        };
        self.known.insert(host.to_owned(), Known { tenant, since: Instant::now() });
        tenant.ok_or_else(unknown)
    }

    async fn ask(&self, host: &str) -> fault::Result<Option<TenantId>> {
        let peer = self.upstream.peer("identity")?;
        let request = upstream::own(peer, None, ResolveTenantRequest { host: host.to_owned() })?;
        let answer = TenantServiceClient::new(peer.channel()).resolve_tenant(request).await;
        match answer.map_err(Fault::from) {
            Ok(answer) => answer.into_inner().tenant_id.parse().map(Some).map_err(Fault::internal),
            Err(fault) if fault.code() == Code::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

fn unknown() -> Fault {
    Fault::new(Code::NotFound, "unknown_host", "Nobody answers on this host.")
}
