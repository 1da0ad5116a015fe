//! Routing rules at the edge.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use contracts::vbwd::identity::v1::{RoutingAction, RoutingRule, RoutingRuleSpec, TenantRouting};
use ids::TenantId;

use crate::fixtures::{Fleet, Received, config, fleet, fleet_with, no_database};

fn rule(number: u128, path: &str, action: RoutingAction, target: &str) -> RoutingRule {
    let spec = RoutingRuleSpec {
        enabled: true,
        path_prefix: path.to_owned(),
        action: action.into(),
        target: target.to_owned(),
        redirect_status: 308,
        keep_rest: true,
        ..RoutingRuleSpec::default()
    };
    let rule_id = uuid::Uuid::from_u128(number).to_string();
    RoutingRule { rule_id, spec: Some(spec), ..RoutingRule::default() }
}

fn of(tenant: TenantId, hosts: &[&str], rules: Vec<RoutingRule>) -> TenantRouting {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    TenantRouting { tenant_id: tenant.to_string(), hosts, rules, ..TenantRouting::default() }
}

impl Fleet {
    pub async fn follow(&self, tenants: Vec<TenantRouting>) {
        *self.seen.routing.lock().unwrap() = tenants;
        self.seen.routing_version.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1900)).await; // what a rule may take, without any notice
    }

    async fn get_on(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Received {
        let mut request = self.request("GET", path).body(Body::empty()).unwrap();
        request.headers_mut().insert("host", host.parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        self.send(request).await
    }
}

#[tokio::test]
async fn rules_decide_before_the_routes() {
    let fleet = fleet().await;
    let block = RoutingRule {
        spec: Some(RoutingRuleSpec {
            countries: vec!["XX".to_owned()],
            ..rule(9, "/", RoutingAction::Block, "court order").spec.unwrap()
        }),
        ..rule(9, "/", RoutingAction::Block, "")
    };
    let rules = vec![
        rule(1, "/old", RoutingAction::Redirect, "/new"),
        rule(2, "/bundles", RoutingAction::Rewrite, "/api/v1/token-bundles"),
        rule(3, "/forbidden", RoutingAction::Block, "court order"),
        rule(4, "/about", RoutingAction::CmsPage, "about-us"),
        rule(5, "/app", RoutingAction::FrontEnd, "user"),
        block,
    ];
    fleet.follow(vec![of(fleet.tenant, &["a.test"], rules)]).await;
    let moved = fleet.get("/old/x%20y?z=1").await;
    assert_eq!((moved.status.as_u16(), moved.header("location")), (308, "/new/x%20y?z=1"));
    assert_eq!(moved.header("x-content-type-options"), "nosniff");
    let evil = fleet.get("/old//evil.example").await;
    assert_eq!(evil.header("location"), "/new/evil.example");
    let rewritten = fleet.get("/bundles").await;
    assert_eq!(rewritten.status, 200);
    assert!(rewritten.json()["bundles"].is_array());
    let blocked = fleet.get("/forbidden/x").await;
    assert_eq!(blocked.problem(), (451, "blocked".to_owned()));
    assert_eq!(blocked.json()["facts"]["reason"], "court order");
    assert_eq!(fleet.get("/about").await.problem(), (503, "service_unknown".to_owned()));
    assert_eq!(fleet.get("/app").await.problem(), (503, "front_end_unknown".to_owned()));
    assert_eq!(fleet.get("/api/v1/token-bundles").await.status, 200, "nobody may say where we are");
    let lying = fleet.get_on("a.test", "/api/v1/token-bundles", &[("cf-ipcountry", "XX")]).await;
    assert_eq!(lying.status, 200, "a client cannot say where it is");
}

#[tokio::test]
async fn a_trusted_proxy_says_the_country_and_the_browser_the_language() {
    let trusting = gateway::Config {
        trusted_proxies: vec!["203.0.113.7".to_owned()],
        country_header: "cf-ipcountry".to_owned(),
        ..config()
    };
    let fleet = fleet_with(trusting, no_database()).await;
    let spec = |number, path, action, target| rule(number, path, action, target).spec.unwrap();
    let with = |number, spec| RoutingRule { spec: Some(spec), ..rule(number, "/", RoutingAction::Block, "") };
    let rules = vec![
        with(
            1,
            RoutingRuleSpec {
                locales: vec!["de".to_owned()],
                ..spec(1, "/hello", RoutingAction::Redirect, "/hallo")
            },
        ),
        with(
            2,
            RoutingRuleSpec {
                countries: vec!["XX".to_owned()],
                ..spec(2, "/", RoutingAction::Block, "embargo")
            },
        ),
    ];
    fleet.follow(vec![of(fleet.tenant, &["a.test"], rules)]).await;
    let german = fleet.get_on("a.test", "/hello", &[("accept-language", "de-AT,en;q=0.3")]).await;
    assert_eq!((german.header("location"), german.header("vary")), ("/hallo", "accept-language"));
    let english = fleet.get_on("a.test", "/hello", &[("accept-language", "en,de;q=0.3")]).await;
    assert_eq!(english.problem(), (404, "route_unknown".to_owned()));
    let far = fleet.get_on("a.test", "/api/v1/token-bundles", &[("cf-ipcountry", "xx")]).await;
    assert_eq!(far.problem().0, 451);
    let admin = fleet.get_on("a.test", "/api/v1/admin/users", &[("cf-ipcountry", "xx")]).await;
    assert_eq!(admin.problem().0, 401, "what undoes a rule is reached");
}

#[tokio::test]
async fn hosts_wildcards_and_guests_say_which_tenant_answers() {
    let fleet = fleet().await;
    let hand_over = rule(1, "/b", RoutingAction::Tenant, &fleet.other_tenant.to_string());
    let unasked = rule(2, "/c", RoutingAction::Tenant, &TenantId::new().to_string());
    let guest = TenantRouting {
        guest_hosts: vec!["a.test".to_owned()],
        ..of(fleet.other_tenant, &[], vec![rule(3, "/b", RoutingAction::Rewrite, "/api/v1/wallet/balance")])
    };
    fleet.follow(vec![of(fleet.tenant, &["a.test", "*.shops.test"], vec![hand_over, unasked]), guest]).await;
    let token = fleet.token(&fleet.user(&[]));
    let ask = async |host: &str, path: &str| {
        let bearer = format!("Bearer {token}");
        fleet.get_on(host, path, &[("authorization", &bearer)]).await
    };
    let balance = "/api/v1/wallet/balance";
    assert_eq!(ask("x.shops.test", balance).await.json()["balances"][0]["asset"], fleet.tenant.to_string());
    assert_eq!(ask("nobody.test", balance).await.problem(), (404, "unknown_host".to_owned()));
    let foreign = ask("a.test", "/b").await;
    assert_eq!(foreign.problem(), (401, "token_foreign_tenant".to_owned()), "the guest answers there");
    assert_eq!(ask("a.test", "/c").await.problem().0, 404, "who did not agree does not answer");
}

#[tokio::test]
async fn the_last_rules_stay_while_identity_is_down() {
    let fleet = fleet().await;
    let rules = vec![rule(1, "/old", RoutingAction::Redirect, "/new")];
    fleet.follow(vec![of(fleet.tenant, &["a.test"], rules)]).await;
    *fleet.seen.identity_is_down.lock().unwrap() = true;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(fleet.get("/old").await.status, 308);
}

#[tokio::test]
async fn a_front_end_is_served_with_a_strict_policy() {
    let folder = std::env::temp_dir().join(format!("front-end-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    std::fs::write(folder.join("index.html"), "<!doctype html><title>shop</title>").unwrap();
    std::fs::write(folder.join("assets/app-1234.js"), "export {}").unwrap();
    let mut config = config();
    config.front_ends.insert("user".to_owned(), folder.clone());
    let fleet = fleet_with(config, no_database()).await;
    fleet
        .follow(vec![of(fleet.tenant, &["a.test"], vec![rule(1, "/", RoutingAction::FrontEnd, "user")])])
        .await;
    let page = fleet.get("/some/deep/link").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html"));
    assert_eq!(page.header("cache-control"), "no-cache");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"));
    let script = fleet.get("/assets/app-1234.js").await;
    assert!(script.header("content-type").contains("javascript"));
    assert!(script.header("cache-control").contains("immutable"));
    for path in ["/../Cargo.toml", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd"] {
        assert_eq!(fleet.get(path).await.body, page.body, "{path} is no way out");
    }
    assert_eq!(fleet.get("/api/v1/token-bundles").await.status, 200, "the API stays");
    std::fs::remove_dir_all(folder).unwrap();
}
