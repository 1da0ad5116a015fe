//! Tenants over HTTP: the plane of operators, suspension, looks and limits.

use std::time::Duration;

use identity::{NewUser, Provisioner};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Customer, Fleet, eventually};

const HOST: &str = "platform.example";
const PASSWORD: &str = "an operator's long password";

/// A signed-in operator, who talks to the platform's host.
pub struct Operator(Customer);

impl Operator {
    pub async fn of(fleet: &Fleet) -> Self {
        let clock = std::sync::Arc::new(kernel::SystemClock);
        let platform = fleet::start::platform(&fleet.config, &[], clock).await.unwrap();
        let people = Provisioner::new(&platform, fleet.config.identity.clone()).unwrap();
        let email = "ops@platform.example";
        let operator = NewUser { email, password: PASSWORD, display_name: "Ops", roles: &[] };
        people.platform(HOST, operator).await.unwrap();
        let mut somebody = Self(Customer::stranger(fleet));
        let body = json!({"email": email, "password": PASSWORD});
        let session = somebody.send(Method::POST, "/api/v1/auth/login", body).await;
        somebody.0.token = session["session"]["access_token"].as_str().map(str::to_owned);
        somebody
    }

    /// A call that must succeed; answers its body.
    pub async fn send(&self, method: Method, path: &str, body: Value) -> Value {
        let request = self.0.request(method.clone(), path).header("host", HOST);
        let request = if method == Method::GET { request } else { request.json(&body) };
        self.0.send(request).await.ok()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_stop_a_tenant_and_let_it_go_on() {
    let fleet = Fleet::in_process().await;
    let operator = Operator::of(&fleet).await;
    let (admin, stranger) = (Customer::admin(&fleet).await, Customer::stranger(&fleet));
    admin.get("/api/v1/admin/users").await.ok();
    admin.get("/api/v1/platform/tenants").await.refused(403, "permission_denied");
    let tenants = operator.send(Method::GET, "/api/v1/platform/tenants?query=demo", Value::Null).await;
    let demo = tenants["tenants"][0]["tenant_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/platform/tenants/{demo}");
    operator.send(Method::POST, &format!("{path}/suspend"), json!({"reason": "unpaid"})).await;
    eventually("the gateway has heard of it", Duration::from_secs(2), || async {
        let answer = stranger.get("/api/v1/token-bundles").await;
        (answer.code() == "tenant_suspended").then_some(())
    })
    .await;
    admin.get("/api/v1/admin/users").await.refused(403, "tenant_suspended");
    let login = json!({"email": "admin@demo.example", "password": "vbwd-demo-admin"});
    stranger.post("/api/v1/auth/login", login).await.refused(403, "tenant_suspended");
    operator.send(Method::POST, &format!("{path}/reactivate"), json!({})).await;
    eventually("the tenant goes on", Duration::from_secs(2), || async {
        admin.get("/api/v1/admin/users").await.status.is_success().then_some(())
    })
    .await;
    looks(&admin, &stranger).await;
    limits(&operator, &path, &stranger).await;
}

async fn looks(admin: &Customer, stranger: &Customer) {
    let branding = json!({"branding": {"primary_colour": "#2457d6", "product_name": "Shop"}});
    admin.put("/api/v1/admin/tenant/branding", branding).await.ok();
    let seen = stranger.get("/api/v1/branding").await.ok();
    assert_eq!(seen["branding"]["primary_colour"], "#2457d6");
    assert_eq!(seen["default_currency"], "EUR");
    let script = json!({"branding": {"logo_url": "javascript:alert(1)"}});
    let refused = admin.put("/api/v1/admin/tenant/branding", script).await;
    refused.refused(400, "invalid_input");
    assert_eq!(refused.body["errors"][0]["pointer"], "/branding/logo_url");
}

async fn limits(operator: &Operator, path: &str, stranger: &Customer) {
    let limits = json!({"limits": {"requests_per_minute": 5}});
    operator.send(Method::PUT, &format!("{path}/limits"), limits).await;
    eventually("more than the tenant may", Duration::from_secs(5), || async {
        let answer = stranger.get("/api/v1/token-bundles").await;
        (answer.status == 429 && answer.code() == "tenant_rate_limited").then_some(())
    })
    .await;
}
