//! Routing rules: whose hosts, which conflicts, and what the gateways are told.

use auth::Caller;
use contracts::vbwd::identity::v1::routing_service_client::RoutingServiceClient;
use contracts::vbwd::identity::v1::*;
use futures::future::join_all;
use ids::{OperationId, TenantId};

use crate::fixtures::{OWNER, World, answer, refused, world};

pub fn block(path: &str) -> RoutingRuleSpec {
    RoutingRuleSpec {
        name: format!("block {path}"),
        enabled: true,
        path_prefix: path.to_owned(),
        action: RoutingAction::Block.into(),
        target: "court order".to_owned(),
        ..RoutingRuleSpec::default()
    }
}

fn redirect(path: &str, target: &str) -> RoutingRuleSpec {
    RoutingRuleSpec {
        action: RoutingAction::Redirect.into(),
        target: target.to_owned(),
        redirect_status: 308,
        keep_rest: true,
        ..block(path)
    }
}

impl World {
    fn routing(&self) -> RoutingServiceClient<runtime::Channel> {
        RoutingServiceClient::new(self.channel())
    }

    async fn create_rule(&self, caller: &Caller, spec: RoutingRuleSpec) -> fault::Result<RoutingRule> {
        let mut request = self.call(caller, CreateRoutingRuleRequest { spec: Some(spec) });
        let id = OperationId::new().to_string();
        request.metadata_mut().insert(runtime::OPERATION_ID, id.parse().unwrap());
        answer(self.routing().create_routing_rule(request).await).map(|made| made.rule.unwrap())
    }

    async fn update_rule(&self, caller: &Caller, rule: &RoutingRule) -> fault::Result<RoutingRule> {
        let RoutingRule { rule_id, spec, revision, .. } = rule.clone();
        let request = self.call(caller, UpdateRoutingRuleRequest { rule_id, spec, revision });
        answer(self.routing().update_routing_rule(request).await).map(|made| made.rule.unwrap())
    }

    async fn rules(&self, caller: &Caller) -> ListRoutingRulesResponse {
        let request = self.call(caller, ListRoutingRulesRequest {});
        answer(self.routing().list_routing_rules(request).await).unwrap()
    }

    async fn explain_url(&self, caller: &Caller, url: &str) -> fault::Result<ExplainRouteResponse> {
        let message = ExplainRouteRequest { url: url.to_owned(), ..ExplainRouteRequest::default() };
        answer(self.routing().explain_route(self.call(caller, message)).await)
    }

    async fn table(&self, version: &str) -> GetRoutingTableResponse {
        let gateway = Caller::service("gateway", TenantId::new());
        let request = self.call(&gateway, GetRoutingTableRequest { version: version.to_owned() });
        answer(self.routing().get_routing_table(request).await).unwrap()
    }
}

#[tokio::test]
async fn rules_are_kept_in_their_order_and_told_to_gateways() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let first = world.table("").await;
    assert_eq!(first.tenants.len(), 2, "hosts are told without rules too");
    let unchanged = world.table(&first.version).await;
    assert_eq!((unchanged.tenants.len(), &unchanged.version), (0, &first.version));
    let low = world.create_rule(&owner, block("/a")).await.unwrap();
    let high =
        world.create_rule(&owner, RoutingRuleSpec { priority: 9, ..redirect("/", "/api") }).await.unwrap();
    let listed = world.rules(&owner).await;
    let ids: Vec<_> = listed.rules.iter().map(|rule| rule.rule_id.as_str()).collect();
    assert_eq!(ids, [&high.rule_id, &low.rule_id]);
    assert_eq!(listed.hosts, ["one.example"]);
    let table = world.table(&first.version).await;
    assert_ne!(table.version, first.version);
    let told: Vec<_> = table.tenants.iter().filter(|tenant| !tenant.rules.is_empty()).collect();
    assert_eq!((told.len(), told[0].rules.len(), &told[0].tenant_id), (1, 2, &world.tenant.to_string()));
}

#[tokio::test]
async fn a_rule_is_replaced_only_by_who_has_read_it() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let mut rule = world.create_rule(&owner, block("/a")).await.unwrap();
    rule.spec.as_mut().unwrap().priority = 5;
    let replaced = world.update_rule(&owner, &rule).await.unwrap();
    assert_eq!((replaced.revision, replaced.spec.unwrap().priority), (2, 5));
    assert_eq!(refused(world.update_rule(&owner, &rule).await), "revision_stale");
    assert_eq!(world.count("SELECT count(*) FROM audit_entries WHERE action LIKE 'routing_rule.%'").await, 2);
}

#[tokio::test]
async fn an_administrator_touches_own_hosts_and_own_rules_only() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let theirs = world.log_in_at(world.other, "owner@two.example", crate::fixtures::PASSWORD).await.unwrap();
    let tokens = auth::AccessTokens::from_jwks(&world.jwks().await).unwrap();
    let other = tokens.verify(&theirs.access_token, world.other, kernel::Clock::wall(&*world.clock)).unwrap();
    for host in ["two.example", "*.example.com", "www.two.example"] {
        let spec = RoutingRuleSpec { host: host.to_owned(), ..block("/") };
        let fault = world.create_rule(&owner, spec).await.unwrap_err();
        assert_eq!(
            (fault.violations()[0].pointer.as_str(), fault.violations()[0].code.clone()),
            ("/spec/host", "host_foreign".to_owned())
        );
    }
    let rule = world.create_rule(&owner, block("/a")).await.unwrap();
    assert_eq!(refused(world.update_rule(&other, &rule).await), "routing_rule_not_found");
    let request = world.call(&other, DeleteRoutingRuleRequest { rule_id: rule.rule_id.clone() });
    assert_eq!(refused(answer(world.routing().delete_routing_rule(request).await)), "routing_rule_not_found");
    assert!(world.rules(&other).await.rules.is_empty());
    let fault = world.explain_url(&owner, "https://two.example/").await.unwrap_err();
    assert_eq!(fault.violations()[0].code, "host_foreign");
    let away = world.create_rule(&owner, redirect("/x", "https://evil.example/")).await.unwrap_err();
    assert_eq!(away.violations()[0].code, "redirect_external");
}

#[tokio::test]
async fn the_explanation_names_every_rule_tried() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let german =
        RoutingRuleSpec { locales: vec!["de".to_owned()], priority: 2, ..redirect("/shop", "/laden") };
    let german = world.create_rule(&owner, german).await.unwrap();
    let plain = world.create_rule(&owner, redirect("/shop", "/store")).await.unwrap();
    let told = world.explain_url(&owner, "https://one.example/shop/x?y=1").await.unwrap();
    assert_eq!(told.rule.unwrap().rule_id, plain.rule_id);
    assert_eq!(told.leads_to, "/store/x?y=1");
    let steps: Vec<_> = told.steps.iter().map(|step| (step.rule_id.as_str(), step.reason.as_str())).collect();
    assert_eq!(steps, [(german.rule_id.as_str(), "locale"), (plain.rule_id.as_str(), "")]);
    let message = ExplainRouteRequest {
        url: "/shop".to_owned(),
        accept_language: "de-AT,en;q=0.5".to_owned(),
        ..ExplainRouteRequest::default()
    };
    let told = answer(world.routing().explain_route(world.call(&owner, message)).await).unwrap();
    assert_eq!(told.rule.unwrap().rule_id, german.rule_id);
    assert_eq!(told.shadowed_rule_ids, [plain.rule_id]);
    assert!(world.explain_url(&owner, "/api/v1/me").await.unwrap().rule.is_none());
    for url in ["", "ftp://one.example/", "//one.example"] {
        assert_eq!(
            world.explain_url(&owner, url).await.unwrap_err().violations()[0].code,
            "malformed",
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rules_that_loop_together_one_is_refused_however_they_meet() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    for round in 0..5 {
        let (here, there) = (format!("/a{round}"), format!("/b{round}"));
        let specs = [redirect(&here, &there), redirect(&there, &here)];
        let made = join_all(specs.map(|spec| world.create_rule(&owner, spec))).await;
        let loops = made.into_iter().filter_map(Result::err).map(|fault| fault.reason().to_owned());
        assert_eq!(loops.collect::<Vec<_>>(), ["redirect_loop"], "round {round}");
    }
    let same = join_all((0..8).map(|_| world.create_rule(&owner, block("/same")))).await;
    assert_eq!(same.iter().filter(|made| made.is_ok()).count(), 1, "only their age would decide");
}

#[tokio::test]
async fn guests_and_origins_are_lists_that_are_checked() {
    let world = world().await;
    let owner = world.signed_in(OWNER).await;
    let set = async |origins: &[&str]| {
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let request = world.call(&owner, SetAllowedOriginsRequest { origins });
        answer(world.routing().set_allowed_origins(request).await)
    };
    let twice = set(&["https://b.example", "https://a.example", "https://b.example"]).await.unwrap();
    assert_eq!(twice.origins, ["https://a.example", "https://b.example"]);
    for wrong in ["*", "null", "https://a.example/", "HTTPS://a.example", "a.example"] {
        assert_eq!(set(&[wrong]).await.unwrap_err().violations()[0].code, "malformed", "{wrong}");
    }
    let request = world.call(&owner, SetGuestHostsRequest { hosts: vec!["two.example".to_owned()] });
    assert_eq!(answer(world.routing().set_guest_hosts(request).await).unwrap().hosts, ["two.example"]);
    let own = world.table("").await.tenants.into_iter().find(|one| one.tenant_id == world.tenant.to_string());
    let own = own.unwrap();
    assert_eq!((own.guest_hosts.len(), own.origins.len()), (1, 2));
}
