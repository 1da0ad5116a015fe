//! Who is let in, and as whom.

use std::sync::atomic::Ordering;

use auth::{AccessTokenIssuer, Caller};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contracts::{Access, methods};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::fixtures::{Fleet, config, fleet, fleet_with, no_database};

const ME: &str = "/api/v1/me";

/// A token with another header, signed with another key.
fn forged(genuine: &str, header: &str) -> String {
    let (_, rest) = genuine.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

fn signed_with_the_public_key(fleet: &Fleet, genuine: &str) -> String {
    let claims = URL_SAFE_NO_PAD.decode(genuine.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("k1".to_owned());
    let public = URL_SAFE_NO_PAD.decode(fleet.issuer.jwk().x).unwrap();
    encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap()
}

#[tokio::test]
async fn every_kind_of_bad_token_has_its_code() {
    let fleet = fleet().await;
    let caller = fleet.user(&[]);
    let genuine = fleet.token(&caller);
    assert_eq!(fleet.get_as(&genuine, ME).await.status, 200);
    let foreign = fleet.token(&Caller { tenant: fleet.other_tenant, ..caller.clone() });
    let stranger = AccessTokenIssuer::new("k1", &[9; 32]).unwrap();
    let expired = fleet.issuer.issue(&caller, fleet.now() - SignedDuration::from_secs(300), 300).unwrap();
    let (head, signature) = genuine.rsplit_once('.').unwrap();
    let tampered = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let rows = [
        ("foreign tenant", foreign, "token_foreign_tenant"),
        ("expired", expired, "token_expired"),
        ("tampered", tampered, "token_invalid"),
        ("alg none", forged(&genuine, r#"{"alg":"none","kid":"k1"}"#), "token_invalid"),
        ("unknown kid", forged(&genuine, r#"{"alg":"EdDSA","kid":"k9"}"#), "token_invalid"),
        ("HS256 with the public key", signed_with_the_public_key(&fleet, &genuine), "token_invalid"),
        ("another key", stranger.issue(&caller, fleet.now(), 300).unwrap(), "token_invalid"),
        ("garbage", "a.b.c".to_owned(), "token_invalid"),
        ("too long", "x".repeat(9000), "token_invalid"),
    ];
    for (what, token, code) in rows {
        let answer = fleet.get_as(&token, ME).await;
        assert_eq!(answer.problem(), (401, code.to_owned()), "{what}");
        assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{what}");
    }
    let answer = fleet.get(ME).await;
    assert_eq!(answer.problem(), (401, "authentication_required".to_owned()));
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    let basic = fleet.request("GET", ME).header("authorization", "Basic YTpi").body(Body::empty()).unwrap();
    assert_eq!(fleet.send(basic).await.problem(), (401, "token_invalid".to_owned()));
}

#[tokio::test]
async fn a_remembered_token_still_expires_and_is_still_of_one_tenant() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    assert_eq!(fleet.get_as(&token, ME).await.status, 200);
    let there =
        fleet.request("GET", ME).header("host", "x").header("authorization", format!("Bearer {token}"));
    let mut there = there.body(Body::empty()).unwrap();
    there.headers_mut().insert("host", "b.test".parse().unwrap());
    assert_eq!(fleet.send(there).await.problem(), (401, "token_foreign_tenant".to_owned()));
    fleet.clock.advance(SignedDuration::from_secs(300));
    assert_eq!(fleet.get_as(&token, ME).await.problem(), (401, "token_expired".to_owned()));
}

#[tokio::test]
async fn a_rotated_key_is_fetched_and_strangers_cannot_make_us_fetch_more() {
    let fleet = fleet().await;
    let caller = fleet.user(&[]);
    assert_eq!(fleet.get_as(&fleet.token(&caller), ME).await.status, 200);
    assert_eq!(fleet.seen.key_fetches.load(Ordering::SeqCst), 1);
    let new = AccessTokenIssuer::new("k2", &[2; 32]).unwrap();
    fleet.seen.keys.lock().unwrap().push(new.jwk());
    let token = new.issue(&caller, fleet.now(), 300).unwrap();
    for _ in 0..20 {
        assert_eq!(fleet.get_as(&token, ME).await.problem().0, 401, "within a second nothing is asked again");
    }
    assert_eq!(fleet.seen.key_fetches.load(Ordering::SeqCst), 1);
    tokio::time::sleep(std::time::Duration::from_millis(1050)).await;
    assert_eq!(fleet.get_as(&token, ME).await.status, 200);
    assert_eq!(fleet.get_as(&fleet.token(&caller), ME).await.status, 200, "the old key still verifies");
    assert_eq!(fleet.seen.key_fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_permission_is_demanded_where_the_rpc_names_one() {
    let fleet = fleet().await;
    let path = "/api/v1/admin/token-bundles";
    assert_eq!(fleet.get(path).await.problem(), (401, "authentication_required".to_owned()));
    let answer = fleet.get_as(&fleet.token(&fleet.user(&["users.*"])), path).await;
    assert_eq!(answer.problem(), (403, "permission_denied".to_owned()));
    assert_eq!(answer.json()["facts"], json!({"permission": "token_bundles.read"}));
    assert_eq!(fleet.get_as(&fleet.token(&fleet.user(&["token_bundles.read"])), path).await.status, 200);
    let token = fleet.token(&fleet.user(&["*"]));
    assert_eq!(fleet.get_as(&token, path).await.status, 200);
}

#[tokio::test]
async fn every_rpc_that_is_not_public_refuses_nobody_and_everybody_without_its_permission() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    for rpc in methods() {
        let Some(route) = &rpc.http else { continue };
        let verb = route.verb.name();
        let path = route.path.replace(['{', '}'], "");
        let nobody = fleet.send(fleet.request(verb, &path).body(Body::empty()).unwrap()).await;
        let refused = nobody.status == 401;
        assert_eq!(refused, rpc.access != Some(Access::Public), "{} {nobody:?}", rpc.path);
        if let Some(Access::Permission(_)) = rpc.access {
            let request = fleet.request(verb, &path).header("authorization", format!("Bearer {token}"));
            let customer = fleet.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(customer.problem(), (403, "permission_denied".to_owned()), "{}", rpc.path);
        }
    }
}

#[tokio::test]
async fn internal_rpcs_cannot_be_reached() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&["*"]));
    for rpc in methods().iter().filter(|rpc| rpc.access == Some(Access::Internal)) {
        let answer = fleet.post_as(&token, &rpc.path, &json!({})).await;
        assert_eq!(answer.problem(), (404, "route_unknown".to_owned()), "{}", rpc.path);
    }
}

#[tokio::test]
async fn an_expired_token_does_not_keep_anybody_from_a_public_rpc() {
    let fleet = fleet().await;
    assert_eq!(fleet.get_as("expired", "/api/v1/token-bundles").await.status, 200);
    assert_eq!(fleet.post_as("expired", "/api/v1/auth/login", &json!({})).await.status, 200);
}

#[tokio::test]
async fn an_unknown_host_is_nobody() {
    let fleet = fleet().await;
    let ask = async |host: &str| {
        let mut request = fleet.request("GET", "/api/v1/token-bundles").body(Body::empty()).unwrap();
        request.headers_mut().insert("host", host.parse().unwrap());
        fleet.send(request).await
    };
    assert_eq!(ask("c.test").await.problem(), (404, "unknown_host".to_owned()));
    assert_eq!(ask("A.Test:7480").await.status, 200);
}

#[tokio::test]
async fn what_was_known_stays_known_while_identity_is_down() {
    let fleet = fleet().await;
    let token = fleet.token(&fleet.user(&[]));
    assert_eq!(fleet.get_as(&token, "/api/v1/wallet/balance").await.status, 200);
    *fleet.seen.identity_is_down.lock().unwrap() = true;
    tokio::time::sleep(std::time::Duration::from_millis(5100)).await;
    assert_eq!(fleet.get_as(&token, "/api/v1/wallet/balance").await.status, 200);
    let mut request = fleet.request("GET", "/api/v1/token-bundles").body(Body::empty()).unwrap();
    request.headers_mut().insert("host", "b.test".parse().unwrap());
    assert_eq!(fleet.send(request).await.problem(), (503, "database_unreachable".to_owned()));
}

#[tokio::test]
async fn forwarding_headers_count_only_from_trusted_proxies() {
    let origin = async |fleet: &Fleet| {
        let request = fleet
            .request("POST", "/api/v1/auth/login")
            .header("content-type", "application/json")
            .header("x-forwarded-for", "198.51.100.9")
            .body(Body::from("{}"))
            .unwrap();
        fleet.send(request).await.json()["session"]["access_token"].as_str().unwrap().to_owned()
    };
    assert_eq!(origin(&fleet().await).await, "203.0.113.7");
    let trusting = gateway::Config { trusted_proxies: vec!["203.0.113.0/24".to_owned()], ..config() };
    assert_eq!(origin(&fleet_with(trusting, no_database()).await).await, "198.51.100.9");
}
