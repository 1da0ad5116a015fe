//! What every answer carries and what no request may do.

use std::sync::atomic::Ordering;

use axum::body::Body;
use serde_json::json;

use crate::fixtures::{config, fleet, fleet_with, no_database};

const BUNDLES: &str = "/api/v1/token-bundles";

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_its_trace() {
    let fleet = fleet_with(gateway::Config { hsts_seconds: 60, ..config() }, no_database()).await;
    for path in [BUNDLES, "/nothing", "/api/v1/me", "/", "/api/v1/openapi.json"] {
        let answer = fleet.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert!(answer.header("strict-transport-security").starts_with("max-age=60"), "{path}");
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
    }
}

#[tokio::test]
async fn what_http_alone_refuses_has_its_status_and_code() {
    let fleet = fleet_with(gateway::Config { body_bytes_max: 1000, ..config() }, no_database()).await;
    let token = fleet.token(&fleet.user(&[]));
    let bearer = format!("Bearer {token}");
    let post = || fleet.request("POST", "/api/v1/checkout/preview").header("authorization", &bearer);
    let json = || post().header("content-type", "application/json");
    let rows = [
        (fleet.request("GET", "/nothing").body(Body::empty()), 404, "route_unknown"),
        (fleet.request("DELETE", BUNDLES).body(Body::empty()), 405, "method_not_allowed"),
        (
            fleet.request("GET", BUNDLES).header("accept", "text/html").body(Body::empty()),
            406,
            "not_acceptable",
        ),
        (json().body(Body::from("x".repeat(1001))), 413, "body_too_large"),
        (json().header("content-length", "5000").body(Body::empty()), 413, "body_too_large"),
        (post().header("content-type", "text/plain").body(Body::from("{}")), 415, "unsupported_media_type"),
        (json().body(Body::from("{\"a\":")), 400, "malformed_json"),
        (json().body(Body::from("[".repeat(500))), 400, "json_too_deep"),
        (
            fleet.request("GET", BUNDLES).header("x", "y".repeat(20_000)).body(Body::empty()),
            431,
            "headers_too_large",
        ),
    ];
    for (request, status, code) in rows {
        assert_eq!(fleet.send(request.unwrap()).await.problem(), (status, code.to_owned()));
    }
    let answer = fleet.send(fleet.request("DELETE", BUNDLES).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    let answer = fleet.send(fleet.request("OPTIONS", BUNDLES).body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, "GET, HEAD, OPTIONS"));
}

#[tokio::test]
async fn a_public_read_is_answered_once_until_something_is_written() {
    let fleet = fleet_with(gateway::Config { public_cache_ms: 60_000, ..config() }, no_database()).await;
    let first = fleet.get(BUNDLES).await;
    assert_eq!(first.header("cache-control"), "public, no-cache");
    assert_eq!(fleet.get(BUNDLES).await.body, first.body);
    assert_eq!(fleet.seen.bundle_lists.load(Ordering::SeqCst), 1);
    let request = fleet.request("GET", BUNDLES).header("if-none-match", first.header("etag"));
    let again = fleet.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), first.header("etag"));
    let token = fleet.token(&fleet.user(&["token_bundles.write"]));
    let path = format!("/api/v1/admin/token-bundles/{}", ids::BundleId::new());
    let request = fleet.request("DELETE", &path).header("authorization", format!("Bearer {token}"));
    assert_eq!(fleet.send(request.body(Body::empty()).unwrap()).await.status, 200);
    assert_ne!(fleet.get(BUNDLES).await.body, first.body, "a read after a write is never stale");
    assert_eq!(fleet.seen.bundle_lists.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn tenants_do_not_share_answers() {
    let fleet = fleet_with(gateway::Config { public_cache_ms: 60_000, ..config() }, no_database()).await;
    fleet.get(BUNDLES).await;
    let mut request = fleet.request("GET", BUNDLES).body(Body::empty()).unwrap();
    request.headers_mut().insert("host", "b.test".parse().unwrap());
    assert_eq!(fleet.send(request).await.status, 200);
    assert_eq!(fleet.seen.bundle_lists.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_again() {
    let mut config = config();
    (config.rates.read.per_minute, config.rates.read.burst) = (6, 2);
    (config.rates.login.per_minute, config.rates.login.burst) = (6, 1);
    let fleet = fleet_with(config, no_database()).await;
    assert_eq!(fleet.get(BUNDLES).await.header("ratelimit"), "\"read\";r=1");
    assert_eq!(fleet.get(BUNDLES).await.header("ratelimit-policy"), "\"read\";q=6;w=60");
    let refused = fleet.get(BUNDLES).await;
    assert_eq!(refused.problem(), (429, "rate_limited".to_owned()));
    assert_eq!(refused.header("retry-after"), "10");
    let token = fleet.token(&fleet.user(&[]));
    assert_eq!(fleet.get_as(&token, "/api/v1/me").await.status, 200, "a signed-in user counts apart");
    let log_in = json!({"email": "a@b.test", "password": "wrong"});
    assert_eq!(fleet.post_as("", "/api/v1/auth/login", &log_in).await.status, 200);
    assert_eq!(fleet.post_as("", "/api/v1/auth/login", &log_in).await.problem().0, 429);
}

#[tokio::test]
async fn guessing_tokens_is_limited_too() {
    let mut config = config();
    (config.rates.read.per_minute, config.rates.read.burst) = (6, 2);
    let fleet = fleet_with(config, no_database()).await;
    let guesses = ["a.b.c", "d.e.f", "g.h.i"];
    let mut statuses = Vec::new();
    for guess in guesses {
        statuses.push(fleet.get_as(guess, "/api/v1/me").await.status.as_u16());
    }
    assert_eq!(statuses, [401, 401, 429]);
}

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a request beside another")]
async fn more_requests_than_we_take_are_refused_at_once() {
    let fleet = std::sync::Arc::new(
        fleet_with(gateway::Config { concurrency_max: 1, ..config() }, no_database()).await,
    );
    let token = fleet.token(&fleet.user(&[]));
    let slow = std::sync::Arc::clone(&fleet);
    let running = tokio::spawn(async move { slow.post_as(&token, "/api/v1/auth/logout", &json!({})).await });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let answer = fleet.get(BUNDLES).await;
    assert_eq!(answer.problem(), (503, "overloaded".to_owned()));
    assert_eq!(answer.header("retry-after"), "1");
    running.abort();
    let _ = running.await;
    assert_eq!(fleet.get(BUNDLES).await.status, 200, "an aborted request gives its place back");
}

#[tokio::test]
async fn large_answers_are_compressed_for_those_who_take_it() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    let path = "/api/v1/wallet/statement?page_size=100";
    let plain = fleet.get_as(&token, path).await;
    let request = fleet.request("GET", path).header("authorization", format!("Bearer {token}"));
    let request = request.header("accept-encoding", "br, gzip").body(Body::empty()).unwrap();
    let small = fleet.send(request).await;
    assert_eq!(small.header("content-encoding"), "gzip");
    assert!(small.body.len() * 5 < plain.body.len(), "{} of {}", small.body.len(), plain.body.len());
}

#[tokio::test]
async fn the_gateways_own_pages_need_no_tenant_and_nothing_from_elsewhere() {
    let fleet = fleet().await;
    assert_eq!(fleet.get("/").await.json()["openapi"], "/api/v1/openapi.json");
    assert_eq!(fleet.get("/api/v1/openapi.json").await.json()["openapi"], "3.1.0");
    let page = fleet.get("/api/v1/docs").await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    let text = String::from_utf8(page.body).unwrap();
    assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("<style"));
    for asset in ["/api/v1/docs/style.css", "/api/v1/docs/script.js"] {
        assert!(text.contains(asset));
        assert_eq!(fleet.get(asset).await.status, 200);
    }
}
