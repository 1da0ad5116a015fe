//! The routing rules as this gateway knows them: the table of identity, indexed, and the origins that
//! tenants allow.
//!
//! Loaded at start, again within milliseconds of a change anywhere (identity's events over NATS, or a
//! change that went through this replica), and every few seconds in case a notice was lost. While
//! identity cannot be reached the last table goes on answering; before the first one, hosts are
//! resolved one by one as [`crate::tenants`] does.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bus::Bus;
use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::routing_service_client::RoutingServiceClient;
use fault::Fault;
use futures::StreamExt as _;
use ids::TenantId;
use routing::{Action, HostPattern, Rule, Table};
use runtime::Drain;
use tokio::sync::Notify;

use crate::metrics;
use crate::upstream::{self, Upstream};

/// What a lost notice can cost; with the time of a load it stays below two seconds.
const RELOAD_EVERY: Duration = Duration::from_millis(1500);
/// How long loading may take.
const PATIENCE: Duration = Duration::from_secs(5);
const TABLE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What identity tells when something about hosts, rules or origins changes.
const SUBJECTS: [&str; 2] = ["evt.*.identity.routing.>", "evt.*.identity.tenant.>"];

/// Keeps the rules.
pub struct Rules {
    upstream: Upstream,
    known: ArcSwap<Known>,
    stale: Notify,
}

/// What is known about everybody's URLs.
#[derive(Default)]
pub struct Known {
    /// Which tenant and rule answer.
    pub table: Table,
    version: String,
    origins: HashMap<TenantId, HashSet<String>>,
    call_limits: HashMap<TenantId, u32>,
}

impl Known {
    /// How many calls a minute the tenant may have; 0 without limit.
    #[must_use]
    pub fn call_limit(&self, tenant: TenantId) -> u32 {
        self.call_limits.get(&tenant).copied().unwrap_or_default()
    }

    /// Whether pages of `origin` may call the tenant's API.
    #[must_use]
    pub fn allows_origin(&self, tenant: TenantId, origin: &str) -> bool {
        self.origins.get(&tenant).is_some_and(|origins| origins.contains(origin))
    }
}

impl Rules {
    /// Nothing known yet.
    #[must_use]
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream, known: ArcSwap::default(), stale: Notify::new() }
    }

    /// What is known now.
    #[must_use]
    pub fn known(&self) -> Arc<Known> {
        self.known.load_full()
    }

    /// Something has changed through this replica.
    pub fn changed(&self) {
        self.stale.notify_one();
    }

    /// Keeps the table fresh until `drain`.
    ///
    /// # Errors
    /// When the subscription cannot be made.
    pub async fn keep(self: Arc<Self>, bus: Bus, drain: Drain) -> fault::Result<()> {
        let unreachable = |error| Fault::unavailable("broker_unavailable", error);
        let [rules, tenants] = SUBJECTS.map(|subject| bus.subject(subject));
        let rules = bus.client().subscribe(rules).await.map_err(unreachable)?;
        let tenants = bus.client().subscribe(tenants).await.map_err(unreachable)?;
        let mut heard = futures::stream::select(rules, tenants);
        loop {
            if let Err(fault) = self.load().await {
                tracing::debug!(error = ?fault, "routing rules could not be loaded; the known ones stay");
            }
            tokio::select! {
                () = drain.cancelled() => return Ok(()),
                () = self.stale.notified() => {}
                () = tokio::time::sleep(RELOAD_EVERY) => {}
                message = heard.next() => if message.is_none() {
                    return Err(Fault::unavailable("broker_unavailable", "the subscription ended"));
                },
            }
        }
    }

    async fn load(&self) -> fault::Result<()> {
        let peer = self.upstream.peer("identity")?;
        let version = self.known.load().version.clone();
        let request = upstream::own(peer, None, proto::GetRoutingTableRequest { version: version.clone() })?;
        let mut client = RoutingServiceClient::new(peer.channel()).max_decoding_message_size(TABLE_BYTES_MAX);
        let asking = tokio::time::timeout(PATIENCE, client.get_routing_table(request)).await;
        let answer = asking.map_err(|late| Fault::unavailable("call_timeout", late))??.into_inner();
        if answer.version != version {
            let known = Known::read(answer);
            metrics::rules_known(known.table.len());
            self.known.store(Arc::new(known));
        }
        Ok(())
    }
}

impl Known {
    /// Rules that this program cannot read are left out: a newer identity may know more actions.
    fn read(answer: proto::GetRoutingTableResponse) -> Self {
        let (mut hosts, mut rules, mut guests) = (Vec::new(), Vec::new(), Vec::new());
        let (mut origins, mut call_limits) = (HashMap::new(), HashMap::new());
        for one in answer.tenants {
            let Ok(tenant) = one.tenant_id.parse::<TenantId>() else { continue };
            hosts.extend(one.hosts.iter().filter_map(|host| Some((HostPattern::parse(host)?, tenant))));
            rules.extend(one.rules.into_iter().filter_map(|told| rule(tenant, told)));
            guests.extend(one.guest_hosts.into_iter().map(|host| (tenant, host)));
            origins.insert(tenant, one.origins.into_iter().collect());
            call_limits.insert(tenant, u32::try_from(one.requests_per_minute).unwrap_or_default());
        }
        Self { table: Table::new(hosts, rules, guests), version: answer.version, origins, call_limits }
    }
}

fn rule(tenant: TenantId, told: proto::RoutingRule) -> Option<Rule> {
    use proto::RoutingAction as Kind;
    let spec = told.spec?;
    let kind = spec.action();
    let target = spec.target;
    let action = match kind {
        Kind::Unspecified => return None,
        Kind::Tenant => Action::Tenant(target.parse().ok()?),
        Kind::FrontEnd => Action::FrontEnd(target),
        Kind::CmsPage => Action::Page(target),
        Kind::Rewrite => Action::Rewrite { target },
        Kind::Block => Action::Block { reason: target },
        Kind::Redirect => Action::Redirect {
            status: u16::try_from(spec.redirect_status).ok()?,
            target,
            keep_rest: spec.keep_rest,
            external: spec.allow_external,
        },
    };
    Some(Rule {
        id: told.rule_id.parse().ok()?,
        tenant,
        name: spec.name,
        enabled: spec.enabled,
        priority: spec.priority,
        host: HostPattern::parse(&spec.host)?,
        path: spec.path_prefix,
        locales: spec.locales,
        countries: spec.countries,
        action,
    })
}
