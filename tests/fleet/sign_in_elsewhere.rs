//! Sign-in with OpenID Connect over HTTP, against a real provider: the browser is sent there, logs in,
//! comes back, and the edge knows it by a cookie that no script and no other browser has.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::customer::Answer;
use crate::harness::oidc::{Oidc, there_and_back};
use crate::harness::{Customer, Fleet};

const PASSWORD: &str = "correct horse battery staple";
const LOG_IN: &str = "/api/v1/auth/providers/genuine";
const LINK: &str = "/api/v1/me/identities/genuine";

/// A fleet that offers a real provider, which may register people.
async fn fleet() -> (Fleet, Oidc, Customer) {
    let fleet = Fleet::in_process_with(|config| {
        config.identity.public_url = format!("http://localhost:{}", config.gateway.listen.port());
        config.identity.federation.allow_http = true;
        config.identity.federation.allowed_networks = vec!["127.0.0.0/8".to_owned()];
    })
    .await;
    let oidc = Oidc::start(&format!("{}/auth/callback/genuine", fleet.config.identity.public_url));
    let admin = Customer::admin(&fleet).await;
    let offer = json!({
        "name": "Genuine", "issuer": oidc.base, "client_id": "shop", "client_secret": oidc.secret,
        "enabled": true, "registers": true,
    });
    let kept = admin.put("/api/v1/admin/identity-providers/genuine", offer).await.ok();
    assert!(!kept.to_string().contains(&oidc.secret), "the secret is never told");
    (fleet, oidc, admin)
}

/// A browser on its way: what the provider sent back, and the cookie it kept.
struct Back {
    query: HashMap<String, String>,
    cookie: String,
}

/// Sends a browser there and lets `account` log in.
async fn there(from: &Customer, base: &str, account: &str, body: Value) -> Back {
    let request = from.request(Method::POST, &format!("{base}/begin")).json(&body);
    let request = request.header("vbwd-session", "cookie").header("sec-fetch-site", "same-origin");
    let begun = from.send(request).await;
    let cookie = begun.headers.get("set-cookie").expect("a cookie").to_str().unwrap().to_owned();
    assert!(cookie.contains("; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
    let begun = begun.ok();
    assert_eq!(begun["attempt_token"], "", "no script sees it");
    let query = there_and_back(begun["authorization_url"].as_str().unwrap(), account).await;
    Back { query, cookie: cookie.split(';').next().unwrap().to_owned() }
}

impl Back {
    /// The page that it came back to completes; in cookies, like the beginning.
    async fn complete(&self, from: &Customer, base: &str, cookie: &str) -> Answer {
        let request = from.request(Method::POST, &format!("{base}/complete")).json(&json!(self.query));
        let request = request.header("sec-fetch-site", "same-origin").header("cookie", cookie);
        from.send(request).await
    }

    async fn arrive(&self, from: &Customer, base: &str) -> Answer {
        self.complete(from, base, &self.cookie).await
    }
}

/// Marks an address as proven, as following the link in its letter does.
async fn prove(fleet: &Fleet, email: &str) {
    sqlx::query("UPDATE users SET email_verified_at = now() WHERE email_normalised = $1")
        .bind(email)
        .execute(&fleet.database.superuser("identity"))
        .await
        .unwrap();
}

async fn me(session: &Value, somebody: &Customer) -> String {
    let token = session["session"]["access_token"].as_str().map(str::to_owned);
    let signed_in = Customer { token, ..somebody.clone() };
    signed_in.get("/api/v1/me").await.ok()["user"]["email"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_goes_there_and_comes_back_signed_in() {
    let (fleet, _oidc, _) = fleet().await;
    let stranger = Customer::stranger(&fleet);
    let offered = stranger.get("/api/v1/auth/providers").await.ok();
    assert_eq!(offered["providers"], json!([{"provider": "genuine", "name": "Genuine"}]));
    let back = there(&stranger, LOG_IN, "ann@example.com", json!({})).await;
    let session = back.arrive(&stranger, LOG_IN).await.ok();
    assert_eq!(me(&session, &stranger).await, "ann@example.com");
    back.arrive(&stranger, LOG_IN).await.refused(401, "sign_in_invalid");
    let back = there(&stranger, LOG_IN, "ann@example.com", json!({})).await;
    back.complete(&stranger, LOG_IN, "x=y").await.refused(401, "sign_in_invalid");
    let (back, other) = (
        there(&stranger, LOG_IN, "ann@example.com", json!({})).await,
        there(&stranger, LOG_IN, "eve@example.com", json!({})).await,
    );
    back.complete(&stranger, LOG_IN, &other.cookie).await.refused(401, "sign_in_invalid");
    let mut forged = there(&stranger, LOG_IN, "ann@example.com", json!({})).await;
    forged.query.insert("code".to_owned(), "stolen".to_owned());
    assert_eq!(forged.arrive(&stranger, LOG_IN).await.code(), "provider_untrusted");
    let from_elsewhere = stranger.request(Method::POST, &format!("{LOG_IN}/begin")).json(&json!({}));
    let from_elsewhere =
        from_elsewhere.header("vbwd-session", "cookie").header("sec-fetch-site", "cross-site");
    stranger.send(from_elsewhere).await.refused(403, "request_forged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_found_by_an_address_that_both_sides_have_proven_and_by_no_other() {
    let (fleet, _oidc, _) = fleet().await;
    let (stranger, customer) = (Customer::stranger(&fleet), Customer::new(&fleet).await);
    let here = there(&stranger, LOG_IN, &customer.email, json!({})).await;
    here.arrive(&stranger, LOG_IN).await.refused(403, "email_unverified");
    let unproven = format!("unproven-{}", customer.email);
    let there_unproven = there(&stranger, LOG_IN, &unproven, json!({})).await;
    there_unproven.arrive(&stranger, LOG_IN).await.refused(403, "provider_email_unproven");
    prove(&fleet, &customer.email).await;
    let unproven = there(&stranger, LOG_IN, &unproven, json!({})).await;
    unproven.arrive(&stranger, LOG_IN).await.refused(403, "provider_email_unproven");
    let session =
        there(&stranger, LOG_IN, &customer.email, json!({})).await.arrive(&stranger, LOG_IN).await.ok();
    assert_eq!(me(&session, &stranger).await, customer.email);
    let linked = customer.get("/api/v1/me/identities").await.ok();
    assert_eq!(linked["identities"][0]["provider"], "genuine", "{linked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_elsewhere_is_linked_and_forgotten_by_its_owner() {
    let (fleet, _oidc, _) = fleet().await;
    let (customer, other) = (Customer::new(&fleet).await, Customer::new(&fleet).await);
    let password = json!({"password": PASSWORD});
    customer
        .post(&format!("{LINK}/begin"), json!({"password": "another"}))
        .await
        .refused(403, "password_wrong");
    let back = there(&customer, LINK, "unproven-boss@elsewhere.example", password.clone()).await;
    back.arrive(&other, LINK).await.refused(401, "sign_in_invalid");
    let back = there(&customer, LINK, "unproven-boss@elsewhere.example", password.clone()).await;
    assert_eq!(back.arrive(&customer, LINK).await.ok()["identity"]["provider"], "genuine");
    let theirs = there(&other, LINK, "unproven-boss@elsewhere.example", password).await;
    theirs.arrive(&other, LINK).await.refused(409, "identity_taken");
    let stranger = Customer::stranger(&fleet);
    let session = there(&stranger, LOG_IN, "unproven-boss@elsewhere.example", json!({})).await;
    let session = session.arrive(&stranger, LOG_IN).await.ok();
    assert_eq!(me(&session, &stranger).await, customer.email, "found by its subject");
    customer.send(customer.request(Method::DELETE, LINK)).await.ok();
    customer.send(customer.request(Method::DELETE, LINK)).await.refused(404, "identity_not_found");
}
