//! Routing rules: kept here as tenant data, checked by the same library that the gateways answer with.
//!
//! Whether a rule fits is decided by looking at the others, so every change holds the tenant's
//! administration lock: of two rules that would loop or conflict together, the later one is refused.
//! Each change is a published fact; gateways hear it and load the table anew.

use std::collections::BTreeMap;

use eventstore::{UnitOfWork, storage};
use fault::{Code, Fault};
use ids::TenantId;
use routing::{HostPattern, Rule};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::app::Identity;
use crate::app::user::Cause;
use crate::audit::{self, Action};
use crate::events::{IdentityEvent, RoutingChanged, TENANT};
use crate::rejection::Rejection;
use crate::tables::routing::{self as rows, List, Row};
use crate::tables::tenants;

const RULES_MAX: usize = 1_000;
const WORDS_MAX: usize = 100;

/// Everything a tenant says about its URLs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routing {
    pub(crate) hosts: Vec<String>,
    pub(crate) rules: Vec<Row>,
    pub(crate) guest_hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    /// 0 without limit.
    pub(crate) requests_per_minute: i32,
}

impl Routing {
    /// The rules that can be tried.
    pub(crate) fn tried(&self) -> Vec<Rule> {
        self.rules.iter().filter_map(Row::rule).collect()
    }

    fn own_hosts(&self) -> Vec<HostPattern> {
        self.hosts.iter().filter_map(|host| HostPattern::parse(host)).collect()
    }
}

impl Identity {
    /// What one tenant says, its rules in the order in which they are tried.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn routing_of(&self, tenant: TenantId) -> fault::Result<Routing> {
        let mut transaction = self.store.read(tenant).await?;
        let mut all = read(&mut transaction).await?;
        transaction.rollback().await.map_err(storage)?;
        let mut routing = all.remove(&tenant.as_uuid()).unwrap_or_default();
        routing.rules.sort_by_cached_key(|row| row.rule().map(|rule| rule.order()));
        Ok(routing)
    }

    /// What all active tenants say.
    ///
    /// # Errors
    /// Faults of the database.
    pub(crate) async fn routing_table(&self) -> fault::Result<BTreeMap<Uuid, Routing>> {
        let mut unit = self.store.begin_worker(None).await?;
        let all = read(unit.connection()).await?;
        unit.commit().await?;
        Ok(all
            .into_iter()
            .filter(|(_, routing)| !routing.hosts.is_empty() || !routing.guest_hosts.is_empty())
            .collect())
    }

    /// Adds a rule, or replaces the one with its id, if that has the expected revision.
    ///
    /// # Errors
    /// A rule that does not fit; `routing_rule_not_found`, `revision_stale`, `too_many_rules`.
    pub(crate) async fn put_rule(
        &self,
        cause: &Cause<'_>,
        rule: Rule,
        expected: Option<i64>,
    ) -> fault::Result<Row> {
        let (tenant, now) = (cause.context.tenant, self.clock.wall());
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let routing = read(unit.connection()).await?.remove(&tenant.as_uuid()).unwrap_or_default();
        let before = routing.rules.iter().find(|row| row.rule_id == rule.id);
        match (before, expected) {
            (None, Some(_)) => return Err(Fault::not_found("routing_rule")),
            (Some(row), Some(revision)) if revision != 0 && row.revision != revision => {
                return Err(Rejection::RevisionStale.into());
            }
            (None, None) if routing.rules.len() >= RULES_MAX => {
                return Err(Fault::rejected("too_many_rules", "Remove a rule first.")
                    .with_fact("count_max", RULES_MAX));
            }
            _ => {}
        }
        routing::check(&rule, &routing.own_hosts(), &routing.tried()).map_err(refused)?;
        let revision = before.map_or(1, |row| row.revision + 1);
        let row = Row::of(&rule, revision, before.map_or(now, Row::created_at), now);
        rows::put(unit.connection(), &row).await?;
        let name = if before.is_some() { "routing_rule.update" } else { "routing_rule.create" };
        let change = (before.map(state), Some(state(&row)));
        self.routing_changed(unit, cause, ("rules", name, format!("routing_rule/{}", rule.id)), change)
            .await?;
        Ok(row)
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// `routing_rule_not_found`.
    pub(crate) async fn delete_rule(&self, cause: &Cause<'_>, id: Uuid) -> fault::Result<()> {
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let known = rows::rules(unit.connection()).await?;
        let before = known.iter().find(|row| row.rule_id == id).map(state);
        if !rows::remove(unit.connection(), tenant, id).await? {
            return Err(Fault::not_found("routing_rule"));
        }
        let what = ("rules", "routing_rule.delete", format!("routing_rule/{id}"));
        self.routing_changed(unit, cause, what, (before, None)).await
    }

    /// Replaces the hosts on which the tenant agrees to be a guest.
    ///
    /// # Errors
    /// A word that is no host.
    pub(crate) async fn set_guest_hosts(
        &self,
        cause: &Cause<'_>,
        hosts: Vec<String>,
    ) -> fault::Result<Vec<String>> {
        let is_host = |host: &String| matches!(HostPattern::parse(host), Some(HostPattern::Exact(_)));
        let words = distinct(hosts, "/hosts", is_host)?;
        self.set_list(cause, List::GuestHosts, ("guest_hosts", "routing.guest_hosts"), words).await
    }

    /// Replaces the origins whose pages may call the API.
    ///
    /// # Errors
    /// A word that is no origin.
    pub(crate) async fn set_allowed_origins(
        &self,
        cause: &Cause<'_>,
        origins: Vec<String>,
    ) -> fault::Result<Vec<String>> {
        let words = distinct(origins, "/origins", |origin| routing::is_origin(origin))?;
        self.set_list(cause, List::Origins, ("origins", "routing.origins"), words).await
    }

    async fn set_list(
        &self,
        cause: &Cause<'_>,
        list: List,
        (what, name): (&'static str, &'static str),
        words: Vec<String>,
    ) -> fault::Result<Vec<String>> {
        let tenant = cause.context.tenant;
        let mut unit = self.store.begin(cause.context).await?;
        tenants::lock_administration(unit.connection(), tenant).await?;
        let known = rows::words(unit.connection(), list).await?;
        let before: Vec<_> = known.into_iter().map(|(_, word)| word).collect();
        if before == words {
            return Ok(words);
        }
        rows::set_words(unit.connection(), tenant, list, &words).await?;
        let change = (Some(json!({ what: before })), Some(json!({ what: words })));
        self.routing_changed(unit, cause, (what, name, format!("tenant/{tenant}")), change).await?;
        Ok(words)
    }

    async fn routing_changed(
        &self,
        mut unit: UnitOfWork,
        cause: &Cause<'_>,
        (what, name, target): (&'static str, &'static str, String),
        (before, after): (Option<Value>, Option<Value>),
    ) -> fault::Result<()> {
        let event = IdentityEvent::RoutingChanged(RoutingChanged { what: what.to_owned() });
        unit.append_fact(TENANT, cause.context.tenant.as_uuid(), event).await?;
        let origin = cause.caller.origin.as_deref();
        let action = Action { name, target, origin, at: self.clock.wall(), before, after };
        audit::record(&mut unit, action).await?;
        unit.commit().await?;
        Ok(())
    }
}

async fn read(on: &mut sqlx::PgConnection) -> fault::Result<BTreeMap<Uuid, Routing>> {
    let mut all: BTreeMap<Uuid, Routing> = BTreeMap::new();
    for row in rows::rules(on).await? {
        all.entry(row.tenant_id).or_default().rules.push(row);
    }
    for (tenant, host) in rows::words(on, List::Hosts).await? {
        all.entry(tenant).or_default().hosts.push(host);
    }
    for (tenant, host) in rows::words(on, List::GuestHosts).await? {
        all.entry(tenant).or_default().guest_hosts.push(host);
    }
    for (tenant, origin) in rows::words(on, List::Origins).await? {
        all.entry(tenant).or_default().origins.push(origin);
    }
    for (tenant, requests_per_minute) in rows::call_limits(on).await? {
        all.entry(tenant).or_default().requests_per_minute = requests_per_minute;
    }
    Ok(all)
}

fn distinct(
    mut words: Vec<String>,
    pointer: &str,
    fits: impl Fn(&String) -> bool,
) -> fault::Result<Vec<String>> {
    words.sort_unstable();
    words.dedup();
    if let Some(at) = words.iter().position(|word| !fits(word)) {
        let message = "One of these is not written as it should be.";
        return Err(Fault::invalid(pointer, "malformed", message).with_fact("value", &words[at]));
    }
    if words.len() > WORDS_MAX {
        return Err(Fault::invalid(pointer, "too_many", "Not so many.").with_fact("count_max", WORDS_MAX));
    }
    Ok(words)
}

fn refused(rejection: routing::Rejection) -> Fault {
    use routing::Rejection as No;
    match rejection {
        No::Unfit { pointer, code } => {
            Fault::invalid(format!("/spec{pointer}"), code, "A part of the rule cannot be like this.")
        }
        No::HostForeign { host } => {
            Fault::invalid("/spec/host", "host_foreign", "A rule speaks about the tenant's own hosts.")
                .with_fact("host", host)
        }
        No::RedirectExternal { host } => {
            let message = "It leads to a host that is not the tenant's; say so with `allow_external`.";
            Fault::invalid("/spec/target", "redirect_external", message).with_fact("host", host)
        }
        No::Conflict { rule } => {
            let message = "Another rule matches the same with the same priority.";
            Fault::new(Code::Rejected, "routing_rule_conflict", message).with_fact("rule_id", rule)
        }
        No::Loop { through } => {
            Fault::rejected("redirect_loop", "Following this redirect would end where it began.")
                .with_fact("through", through)
        }
    }
}

fn state(row: &Row) -> Value {
    json!({
        "name": row.name, "enabled": row.enabled, "priority": row.priority, "host": row.host,
        "path_prefix": row.path_prefix, "locales": row.locales, "countries": row.countries,
        "action": row.action, "target": row.target, "redirect_status": row.redirect_status,
        "keep_rest": row.keep_rest, "allow_external": row.allow_external,
    })
}
