//! `RoutingService`.

use std::fmt::Write as _;

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::routing_service_server::RoutingService;
use fault::Fault;
use ids::TenantId;
use routing::{Action, HostPattern, Question, Rule, explain};
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Api, timestamp};
use crate::app::{Cause, Routing};
use crate::tables::routing::Row;

fn rule_id(text: &str) -> fault::Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| Fault::not_found("routing_rule"))
}

/// The rule that a message describes.
fn rule(tenant: TenantId, id: Uuid, spec: Option<proto::RoutingRuleSpec>) -> fault::Result<Rule> {
    let Some(spec) = spec else {
        return Err(Fault::invalid("/spec", "missing", "Say what the rule matches and does."));
    };
    let malformed =
        |pointer: &str| Fault::invalid(pointer, "malformed", "A part of the rule cannot be like this.");
    let action = action(spec.action(), &spec)?;
    Ok(Rule {
        id,
        tenant,
        host: HostPattern::parse(&spec.host).ok_or_else(|| malformed("/spec/host"))?,
        name: spec.name,
        enabled: spec.enabled,
        priority: spec.priority,
        path: spec.path_prefix,
        locales: spec.locales,
        countries: spec.countries,
        action,
    })
}

fn action(kind: proto::RoutingAction, spec: &proto::RoutingRuleSpec) -> fault::Result<Action> {
    use proto::RoutingAction as Kind;
    let target = spec.target.clone();
    Ok(match kind {
        Kind::Unspecified => {
            return Err(Fault::invalid("/spec/action", "missing", "Say what the rule does."));
        }
        Kind::Tenant => {
            let unknown =
                |_| Fault::invalid("/spec/target", "malformed", "The target is the id of a tenant.");
            Action::Tenant(target.parse().map_err(unknown)?)
        }
        Kind::FrontEnd => Action::FrontEnd(target),
        Kind::CmsPage => Action::Page(target),
        Kind::Rewrite => Action::Rewrite { target },
        Kind::Block => Action::Block { reason: target },
        Kind::Redirect => Action::Redirect {
            status: u16::try_from(spec.redirect_status).unwrap_or_default(),
            target,
            keep_rest: spec.keep_rest,
            external: spec.allow_external,
        },
    })
}

fn told(row: &Row) -> proto::RoutingRule {
    use proto::RoutingAction as Kind;
    let action = match row.action.as_str() {
        "tenant" => Kind::Tenant,
        "front_end" => Kind::FrontEnd,
        "cms_page" => Kind::CmsPage,
        "redirect" => Kind::Redirect,
        "rewrite" => Kind::Rewrite,
        "block" => Kind::Block,
        _ => Kind::Unspecified,
    };
    let spec = proto::RoutingRuleSpec {
        name: row.name.clone(),
        enabled: row.enabled,
        priority: row.priority,
        host: row.host.clone(),
        path_prefix: row.path_prefix.clone(),
        locales: row.locales.clone(),
        countries: row.countries.clone(),
        action: action.into(),
        target: row.target.clone(),
        redirect_status: row.redirect_status,
        keep_rest: row.keep_rest,
        allow_external: row.allow_external,
    };
    proto::RoutingRule {
        rule_id: row.rule_id.to_string(),
        spec: Some(spec),
        revision: row.revision,
        created_at: Some(timestamp(row.created_at())),
        updated_at: Some(timestamp(row.updated_at())),
    }
}

#[tonic::async_trait]
impl RoutingService for Api {
    async fn list_routing_rules(
        &self,
        request: Request<proto::ListRoutingRulesRequest>,
    ) -> Result<Response<proto::ListRoutingRulesResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let Routing { hosts, rules, guest_hosts, origins, .. } = self.0.routing_of(caller.tenant).await?;
        let rules = rules.iter().map(told).collect();
        Ok(Response::new(proto::ListRoutingRulesResponse { rules, hosts, guest_hosts, origins }))
    }

    async fn create_routing_rule(
        &self,
        request: Request<proto::CreateRoutingRuleRequest>,
    ) -> Result<Response<proto::CreateRoutingRuleResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        // The operation's own id: a repeated call makes the rule it made before.
        let wanted = rule(caller.tenant, context.operation_id.as_uuid(), request.into_inner().spec)?;
        let made = self.0.put_rule(&Cause { caller: &caller, context: &context }, wanted, None).await?;
        Ok(Response::new(proto::CreateRoutingRuleResponse { rule: Some(told(&made)) }))
    }

    async fn update_routing_rule(
        &self,
        request: Request<proto::UpdateRoutingRuleRequest>,
    ) -> Result<Response<proto::UpdateRoutingRuleResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let wanted = rule(caller.tenant, rule_id(&message.rule_id)?, message.spec)?;
        let cause = Cause { caller: &caller, context: &context };
        let made = self.0.put_rule(&cause, wanted, Some(message.revision)).await?;
        Ok(Response::new(proto::UpdateRoutingRuleResponse { rule: Some(told(&made)) }))
    }

    async fn delete_routing_rule(
        &self,
        request: Request<proto::DeleteRoutingRuleRequest>,
    ) -> Result<Response<proto::DeleteRoutingRuleResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let id = rule_id(&request.get_ref().rule_id)?;
        self.0.delete_rule(&Cause { caller: &caller, context: &context }, id).await?;
        Ok(Response::new(proto::DeleteRoutingRuleResponse {}))
    }

    async fn explain_route(
        &self,
        request: Request<proto::ExplainRouteRequest>,
    ) -> Result<Response<proto::ExplainRouteResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let routing = self.0.routing_of(caller.tenant).await?;
        Ok(Response::new(explained(&routing, request.get_ref())?))
    }

    async fn set_guest_hosts(
        &self,
        request: Request<proto::SetGuestHostsRequest>,
    ) -> Result<Response<proto::SetGuestHostsResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let cause = Cause { caller: &caller, context: &context };
        let hosts = self.0.set_guest_hosts(&cause, request.into_inner().hosts).await?;
        Ok(Response::new(proto::SetGuestHostsResponse { hosts }))
    }

    async fn set_allowed_origins(
        &self,
        request: Request<proto::SetAllowedOriginsRequest>,
    ) -> Result<Response<proto::SetAllowedOriginsResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let cause = Cause { caller: &caller, context: &context };
        let origins = self.0.set_allowed_origins(&cause, request.into_inner().origins).await?;
        Ok(Response::new(proto::SetAllowedOriginsResponse { origins }))
    }

    async fn get_routing_table(
        &self,
        request: Request<proto::GetRoutingTableRequest>,
    ) -> Result<Response<proto::GetRoutingTableResponse>, Status> {
        let table = self.0.routing_table().await?;
        let tenants: Vec<_> = table.into_iter().map(|(tenant, routing)| one(tenant, routing)).collect();
        let version = version(&tenants);
        let tenants = if request.get_ref().version == version { Vec::new() } else { tenants };
        Ok(Response::new(proto::GetRoutingTableResponse { version, tenants }))
    }
}

fn one(tenant: Uuid, routing: Routing) -> proto::TenantRouting {
    proto::TenantRouting {
        tenant_id: tenant.to_string(),
        rules: routing.rules.iter().map(told).collect(),
        hosts: routing.hosts,
        guest_hosts: routing.guest_hosts,
        origins: routing.origins,
        requests_per_minute: routing.requests_per_minute,
    }
}

/// Follows from what is said: the same table has the same version on every replica.
fn version(tenants: &[proto::TenantRouting]) -> String {
    let mut hash = Sha256::new();
    for tenant in tenants {
        hash.update(format!("{tenant:?}"));
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}

fn explained(
    routing: &Routing,
    asked: &proto::ExplainRouteRequest,
) -> fault::Result<proto::ExplainRouteResponse> {
    let (host, path, query) = routing::split(&asked.url)
        .ok_or_else(|| Fault::invalid("/url", "malformed", "This is no address and no path."))?;
    let host = host.or_else(|| routing.hosts.first().cloned()).unwrap_or_default();
    let own =
        routing.hosts.iter().filter_map(|known| HostPattern::parse(known)).any(|known| known.matches(&host));
    if !own {
        return Err(
            Fault::invalid("/url", "host_foreign", "This host is not the tenant's.").with_fact("host", host)
        );
    }
    let question = Question::new(&host, &path, &asked.accept_language, Some(&asked.country));
    let rules = routing.tried();
    let told_of = explain(&rules, &question);
    let steps = told_of.steps.iter().map(|step| proto::RouteStep {
        rule_id: step.rule.id.to_string(),
        name: step.rule.name.clone(),
        matched: step.miss.is_none(),
        reason: step.miss.map(|miss| miss.word().to_owned()).unwrap_or_default(),
    });
    let leads_to = told_of.rule.and_then(|rule| {
        rule.location(&question.path, query.as_deref()).or_else(|| rule.rewritten(&question.path))
    });
    Ok(proto::ExplainRouteResponse {
        summary: summary(told_of.rule, told_of.steps.len()),
        rule: told_of.rule.and_then(|rule| routing.rules.iter().find(|row| row.rule_id == rule.id)).map(told),
        steps: steps.collect(),
        shadowed_rule_ids: told_of.shadowed.iter().map(|rule| rule.id.to_string()).collect(),
        leads_to: leads_to.unwrap_or_default(),
    })
}

fn summary(rule: Option<&Rule>, tried: usize) -> String {
    match rule {
        None => format!("None of {tried} rules matches; the platform's own paths answer."),
        Some(rule) => format!("\"{}\" answers, the first of {tried} rules tried that matches.", rule.name),
    }
}
