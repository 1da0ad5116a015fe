//! What operators rely on: readiness, metrics, the documents of the API, security headers.

use crate::harness::{Customer, Fleet};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_what_runs() {
    let fleet = Fleet::in_process().await;
    let admin = format!("http://{}", fleet.config.admin.listen);
    for path in ["/live", "/ready", "/tasks"] {
        let answer = reqwest::get(format!("{admin}{path}")).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}: {}", answer.text().await.unwrap());
    }
    let metrics = reqwest::get(format!("{admin}/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("vbwd_rpc_seconds"), "{metrics}");
    the_api_describes_itself(&fleet).await;
    answers_are_hardened(&fleet).await;
}

async fn the_api_describes_itself(fleet: &Fleet) {
    let stranger = Customer::stranger(fleet);
    let openapi = stranger.get("/api/v1/openapi.json").await.ok();
    assert_eq!(openapi["openapi"], "3.1.0");
    for route in contracts::methods().iter().filter_map(|method| method.http.as_ref()) {
        assert!(openapi["paths"][&route.path].is_object(), "{} is not described", route.path);
    }
    let docs = stranger.get("/api/v1/docs").await;
    assert_eq!(docs.status, 200);
}

async fn answers_are_hardened(fleet: &Fleet) {
    let answer = Customer::stranger(fleet).get("/api/v1/token-bundles").await;
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert!(answer.headers.contains_key("content-security-policy"));
    let nowhere = Customer::stranger(fleet).get("/api/v1/nowhere").await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.headers["content-type"], "application/problem+json");
    let internal = Customer::stranger(fleet)
        .post("/vbwd.identity.v1.AuthService/RotateSigningKey", serde_json::json!({}))
        .await;
    assert_eq!(internal.status, 404, "rpcs are not reachable by their gRPC path");
}
