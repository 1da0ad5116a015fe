//! JSON in, rpc, JSON out.

use axum::body::Body;
use serde_json::json;

use crate::fixtures::{config, fleet, fleet_of, no_database};

#[tokio::test]
async fn a_read_reaches_the_service_as_its_caller_and_comes_back_as_json() {
    let fleet = fleet().await;
    let caller = fleet.user(&[]);
    let answer = fleet.get_as(&fleet.token(&caller), "/api/v1/wallet/balance?min_position=p-1").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    let balance = json!({
        "account_id": caller.user().unwrap().to_string(), "asset": fleet.tenant.to_string(),
        "posted": "9007199254740993", "held": "0", "available": "0", "position": "p-1",
        "overdraft_limit": "0", "lots": [],
    });
    assert_eq!(answer.json(), json!({"balances": [balance]}));
}

#[tokio::test]
async fn the_trace_goes_through_and_comes_back() {
    let fleet = fleet().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let token = fleet.token(&fleet.user(&[]));
    let request = fleet
        .request("GET", "/api/v1/wallet/balance")
        .header("authorization", format!("Bearer {token}"))
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"));
    let answer = fleet.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("x-request-id"), trace);
    let seen = fleet.seen.traceparents.lock().unwrap().clone();
    assert!(
        seen[0].starts_with(&format!("00-{trace}-")) && !seen[0].contains("00f067aa0ba902b7"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_created_thing_answers_201_and_unknown_members_go_nowhere() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&["token_bundles.*"]));
    let body = json!({
        "name": "Small", "prices": [{"minor": 990, "currency": "EUR", "discount": 1}], "revision": 7, "owner": "me",
    });
    let answer = fleet.post_as(&token, "/api/v1/admin/token-bundles", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let bundle = &answer.json()["bundle"];
    assert_eq!(bundle["prices"], json!([{"minor": "990", "currency": "EUR"}]));
    assert_eq!((&bundle["revision"], &bundle["active"]), (&json!("0"), &json!(false)));
}

#[tokio::test]
async fn input_that_does_not_fit_is_refused_with_pointers() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&["token_bundles.*"]));
    let body = json!({"name": 5, "prices": [{"minor": "many"}]});
    let answer = fleet.post_as(&token, "/api/v1/admin/token-bundles", &body).await;
    assert_eq!(answer.problem(), (400, "invalid_input".to_owned()));
    let expected = json!([
        {"pointer": "/name", "code": "wrong_type"}, {"pointer": "/prices/0/minor", "code": "wrong_type"},
    ]);
    assert_eq!(answer.json()["errors"], expected);
    let answer = fleet.get_as(&token, "/api/v1/wallet/statement?page_size=x").await;
    assert_eq!(answer.json()["errors"], json!([{"pointer": "/page_size", "code": "wrong_type"}]));
}

#[tokio::test]
async fn what_a_service_refuses_arrives_with_code_facts_and_pointers() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    let answer = fleet.post_as(&token, "/api/v1/checkout/preview", &json!({})).await;
    assert_eq!(answer.problem(), (400, "invalid_input".to_owned()));
    let document = answer.json();
    assert_eq!(document["errors"], json!([{"pointer": "/lines/0/quantity", "code": "out_of_range"}]));
    assert_eq!(document["facts"], json!({"maximum": "1000000"}));
    assert_eq!(document["trace_id"], answer.header("x-request-id"));
    let answer = fleet.get("/api/v1/token-bundles/a%20b").await;
    assert_eq!(answer.problem(), (404, "bundle_not_found".to_owned()));
    assert_eq!(answer.json()["facts"]["bundle_id"], "a b");
}

#[tokio::test]
async fn a_bug_in_a_service_is_a_500_without_details() {
    let fleet = fleet().await;
    let answer = fleet.post_as("", "/api/v1/auth/register", &json!({})).await;
    assert_eq!(answer.problem(), (500, "internal".to_owned()));
    assert!(!String::from_utf8_lossy(&answer.body).contains("a bug in a handler"));
}

#[tokio::test]
async fn a_webhook_arrives_byte_for_byte_with_its_headers() {
    let fleet = fleet().await;
    let body = "{ \"odd\" :  \"spacing\" }";
    let request = fleet.request("POST", "/api/v1/webhooks/sandbox").header("X-Signature", "v1=abc");
    let answer = fleet.send(request.body(Body::from(body)).unwrap()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["outcome"], format!("sandbox v1=abc {body}"));
}

#[tokio::test]
async fn a_dead_service_is_a_503_at_once_and_the_others_answer() {
    let local = ["identity", "wallet"];
    let dead = vec![("payments".to_owned(), "http://127.0.0.1:1".to_owned())];
    let fleet = fleet_of(config(), no_database(), &local, dead).await;
    let started = std::time::Instant::now();
    let answer = fleet.get("/api/v1/payment-methods").await;
    assert_eq!(answer.problem(), (503, "service_unreachable".to_owned()));
    assert_eq!(answer.header("retry-after"), "1");
    let token = fleet.token(&fleet.user(&[]));
    let answer = fleet.get_as(&token, "/api/v1/invoices").await;
    assert_eq!(answer.problem(), (503, "service_unknown".to_owned()));
    assert!(started.elapsed().as_millis() < 1000);
    assert_eq!(fleet.get("/api/v1/token-bundles").await.status, 200);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_a_504() {
    let mut config = config();
    config.rates.write.timeout_ms = 100;
    let fleet = crate::fixtures::fleet_with(config, no_database()).await;
    let token = fleet.token(&fleet.user(&[]));
    let answer = fleet.post_as(&token, "/api/v1/auth/logout", &json!({})).await;
    assert_eq!(answer.problem(), (504, "call_timeout".to_owned()));
}
