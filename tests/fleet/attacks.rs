//! Attacks on tokens, roles and fields, over HTTP: each is refused, and nothing has changed.
//!
//! Forged tokens are good in everything but the one thing that is tried: they name a real user and a
//! real session, and are signed with a key that the fleet publishes, whose private half the test knows
//! (it is put into the table as one that was just retired).

use std::sync::Arc;
use std::time::Duration;

use auth::{AccessTokenIssuer, AssertionKeys, Caller, Subject};
use futures::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use kernel::Clock as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::fleet::SECRET;
use crate::harness::{Customer, Fleet, eventually};

const ME: &str = "/api/v1/me";
const SEED: [u8; 32] = [7; 32];
const KEY_ID: &str = "known-to-the-attacker";

/// Somebody whose token is taken apart and put together again.
struct Forger {
    customer: Customer,
    header: Value,
    claims: Value,
}

impl Forger {
    async fn of(fleet: &Fleet) -> Self {
        let customer = Customer::new(fleet).await;
        let token = customer.token.clone().unwrap();
        let parts: Vec<_> =
            token.split('.').map(|part| serde_json::from_slice(&decoded(part)).ok()).collect();
        Self { customer, header: parts[0].clone().unwrap(), claims: parts[1].clone().unwrap() }
    }

    async fn present(&self, token: String) -> crate::harness::customer::Answer {
        Customer { token: Some(token), ..self.customer.clone() }.get(ME).await
    }

    /// The genuine claims but for `changes`, signed with the key that the test knows.
    fn signed(&self, changes: Value) -> String {
        let mut claims = self.claims.clone();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut header = Header::new(Algorithm::EdDSA);
        (header.kid, header.typ) = (Some(KEY_ID.to_owned()), Some("at+jwt".to_owned()));
        let der = [&DER_PREFIX[..], &SEED].concat();
        encode(&header, &claims, &EncodingKey::from_ed_der(&der)).unwrap()
    }
}

/// What comes before an Ed25519 seed in PKCS#8.
const DER_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// Lets the fleet publish the key that the test knows, and waits until the edge believes it.
async fn publish_key(fleet: &Fleet, forger: &Forger) {
    let public = AccessTokenIssuer::new(KEY_ID, &SEED).unwrap().jwk().x;
    sqlx::query(
        "INSERT INTO signing_keys (key_id, public_key, sealed_seed, created_at, created_by, retired_at) \
         VALUES ($1, $2, 'none', now() - interval '1 day', 'test', now())",
    )
    .bind(KEY_ID)
    .bind(public)
    .execute(&fleet.database.superuser(identity::NAME))
    .await
    .unwrap();
    eventually("the key is published", Duration::from_secs(40), || async {
        forger.present(forger.signed(json!({}))).await.status.is_success().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_with_anything_wrong_opens_nothing() {
    let fleet = Fleet::in_process_with(|config| config.identity.access_token_life_seconds = 600).await;
    let forger = Forger::of(&fleet).await;
    let claims = text(&forger.claims);
    let none = |alg: &str| {
        format!("{}.{claims}.", text(&json!({"alg": alg, "typ": "at+jwt", "kid": forger.header["kid"]})))
    };
    for alg in ["none", "None", "NONE", "nOnE"] {
        forger.present(none(alg)).await.refused(401, "token_invalid");
    }
    for forged in signed_with_the_public_key(&fleet, &forger).await {
        forger.present(forged).await.refused(401, "token_invalid");
    }
    forger.present(forger.signed(json!({}))).await.refused(401, "token_invalid"); // an unknown key
    publish_key(&fleet, &forger).await;
    let rows = [
        (json!({"aud": "somebody-else"}), "token_invalid"),
        (json!({"aud": uuid::Uuid::now_v7()}), "token_foreign_tenant"),
        (json!({"aud": auth::PLATFORM_TENANT}), "token_foreign_tenant"),
        (json!({"iss": "somebody-else"}), "token_invalid"),
        (json!({"sid": uuid::Uuid::now_v7()}), "session_ended"),
        (json!({"sub": uuid::Uuid::now_v7()}), "session_ended"),
        (json!({"exp": "never"}), "token_invalid"),
    ];
    for (changes, code) in rows {
        forger.present(forger.signed(changes)).await.refused(401, code);
    }
    what_a_token_claims_is_not_believed(&forger).await;
    a_second_makes_the_difference(&forger).await;
    an_assertion_of_the_fleet_is_no_token(&forger).await;
}

/// The classic: the public key is public, so whoever takes it for a shared secret lets everybody sign.
async fn signed_with_the_public_key(fleet: &Fleet, forger: &Forger) -> Vec<String> {
    let published = Customer::stranger(fleet).get("/.well-known/jwks.json").await.ok();
    let key = published["keys"][0].clone();
    let x = key["x"].as_str().unwrap();
    let shapes = [
        decoded(x),
        x.as_bytes().to_vec(),
        key.to_string().into_bytes(),
        [&SPKI_PREFIX[..], &decoded(x)].concat(),
    ];
    let mut forged = Vec::new();
    for algorithm in [Algorithm::HS256, Algorithm::HS512] {
        let mut header = Header::new(algorithm);
        (header.kid, header.typ) = (key["kid"].as_str().map(str::to_owned), Some("at+jwt".to_owned()));
        let sign =
            |shape: &Vec<u8>| encode(&header, &forger.claims, &EncodingKey::from_secret(shape)).unwrap();
        forged.extend(shapes.iter().map(sign));
    }
    forged
}

/// What comes before an Ed25519 public key in SubjectPublicKeyInfo.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Even a token with a good signature opens no more than the tables say.
async fn what_a_token_claims_is_not_believed(forger: &Forger) {
    let token = forger.signed(json!({"roles": ["owner"], "perms": ["*"]}));
    let bold = Customer { token: Some(token), ..forger.customer.clone() };
    bold.get("/api/v1/admin/users").await.refused(403, "permission_denied");
    assert_eq!(bold.get(ME).await.ok()["user"]["roles"], json!(["customer"]));
}

/// One token, presented within the last second of its life and after it.
async fn a_second_makes_the_difference(forger: &Forger) {
    let now = eventually("a second begins", Duration::from_secs(5), || async {
        let now = kernel::SystemClock.wall();
        (now.subsec_nanosecond() < 150_000_000).then(|| now.as_second())
    })
    .await;
    let token = forger.signed(json!({"exp": now + 1}));
    assert_eq!(forger.present(token.clone()).await.status, 200, "a second is left");
    forger.present(forger.signed(json!({"exp": now}))).await.refused(401, "token_expired");
    tokio::time::sleep(Duration::from_secs(1)).await;
    forger.present(token).await.refused(401, "token_expired");
}

async fn an_assertion_of_the_fleet_is_no_token(forger: &Forger) {
    let keys = AssertionKeys::from_secret(&secrecy::SecretString::from(SECRET.to_owned())).unwrap();
    let tenant = forger.claims["aud"].as_str().unwrap().parse().unwrap();
    let service =
        Caller { subject: Subject::Service("gateway".to_owned()), ..Caller::service("gateway", tenant) };
    let assertion = keys.sign("gateway", &service, kernel::SystemClock.wall()).unwrap();
    forger.present(assertion.to_string()).await.refused(401, "token_invalid");
    let request = forger.customer.client.get(format!("{}/api/v1/admin/users", forger.customer.base));
    let answer = forger.customer.send(request.header(auth::METADATA_KEY, &*assertion)).await;
    answer.refused(401, "authentication_required");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_climbs_by_editing_a_role() {
    let fleet = Fleet::in_process().await;
    let (admin, clerk) = (Customer::admin(&fleet).await, Customer::new(&fleet).await);
    let me = clerk.get(ME).await.ok()["user"]["user_id"].as_str().unwrap().to_owned();
    let own_roles = format!("/api/v1/admin/users/{me}/roles");
    clerk.put(&own_roles, json!({"roles": ["owner"]})).await.refused(403, "permission_denied");
    let granted = json!(["roles.*", "users.*"]);
    admin.put("/api/v1/admin/roles/clerk", json!({"permissions": granted})).await.ok();
    admin.put(&own_roles, json!({"roles": ["clerk"]})).await.ok();
    for roles in [json!(["owner"]), json!(["admin"]), json!(["clerk", "support"])] {
        clerk.put(&own_roles, json!({"roles": roles})).await.refused(403, "privilege_escalation");
    }
    for permissions in [json!(["*"]), json!(["roles.*", "users.*", "audit.read"]), json!(["ledger.*"])] {
        let body = json!({"permissions": permissions});
        clerk.put("/api/v1/admin/roles/clerk", body.clone()).await.refused(403, "privilege_escalation");
        clerk.put("/api/v1/admin/roles/ladder", body).await.refused(403, "privilege_escalation");
    }
    let cell = "/api/v1/admin/roles/clerk/permissions/audit.read";
    clerk.put(cell, json!({"granted": true})).await.refused(403, "privilege_escalation");
    clerk
        .put("/api/v1/admin/roles/owner", json!({"permissions": ["users.read"]}))
        .await
        .refused(409, "role_built_in");
    let platform = clerk.put("/api/v1/admin/roles/clerk", json!({"permissions": ["platform.write"]})).await;
    assert!(platform.status.is_client_error(), "{}", platform.body);
    let created = json!({"email": "ladder@example.com", "display_name": "L", "roles": ["owner"]});
    clerk.post("/api/v1/admin/users", created).await.refused(403, "privilege_escalation");
    let owner = admin.get(ME).await.ok()["user"]["user_id"].as_str().unwrap().to_owned();
    let owners_roles = format!("/api/v1/admin/users/{owner}/roles");
    clerk.put(&owners_roles, json!({"roles": ["customer"]})).await.refused(403, "privilege_escalation");
    let key = clerk.post("/api/v1/me/api-keys", json!({"name": "k", "scopes": ["*"]})).await;
    assert!(key.status.is_client_error(), "{}", key.body);
    let after = clerk.get(ME).await.ok();
    assert_eq!((&after["user"]["roles"], &after["permissions"]), (&json!(["clerk"]), &granted));
    clerk.get("/api/v1/admin/audit").await.refused(403, "permission_denied");
}

/// What somebody might hope to set beside what a form asks for.
fn privileged() -> Value {
    json!({
        "roles": ["owner"], "role": "owner", "permissions": ["*"], "perms": ["*"], "levels": ["gold"],
        "status": "active", "email_verified": true, "emailVerified": true, "kind": "service",
        "user_id": "01900000-0000-7000-8000-000000000001", "tenant_id": "01900000-0000-7000-8000-000000000002",
        "password_hash": "$argon2id$x", "is_admin": true, "revision_": 7, "created_at": "2000-01-01T00:00:00Z",
        "user": {"roles": ["owner"], "status": "erased"}, "__proto__": {"roles": ["owner"]},
    })
}

fn with_privileges(mut body: Value) -> Value {
    for (name, value) in privileged().as_object().unwrap() {
        body.as_object_mut().unwrap().entry(name.clone()).or_insert(value.clone());
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn privileged_fields_slipped_into_a_form_change_nothing() {
    let fleet = Fleet::in_process().await;
    let (admin, stranger) = (Customer::admin(&fleet).await, Customer::stranger(&fleet));
    let (email, password) = ("eve@example.com", "correct horse battery staple");
    let form = json!({"email": email, "password": password, "display_name": "Eve"});
    let answer = stranger.post("/api/v1/auth/register", with_privileges(form)).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (202, &json!({"status": "accepted"})));
    let log_in = with_privileges(json!({"email": email, "password": password}));
    let opened = stranger.post("/api/v1/auth/login", log_in).await.ok();
    let token = opened["session"]["access_token"].as_str().unwrap().to_owned();
    let eve = Customer { token: Some(token), ..stranger.clone() };
    let before = eve.get(ME).await.ok();
    assert_is_plain(&before);
    let user = before["user"]["user_id"].as_str().unwrap();
    let profile = with_privileges(json!({"display_name": "Eve 2", "email": "owner@demo.example",
        "details": {"given_name": "Eve", "roles": ["owner"], "status": "active", "user_id": "x"}}));
    eve.put(ME, profile.clone()).await.ok();
    let by_admin = admin.put(&format!("/api/v1/admin/users/{user}"), profile).await;
    assert_eq!(by_admin.status, 200, "{}", by_admin.body);
    let after = eve.get(ME).await.ok();
    assert_is_plain(&after);
    assert_eq!(after["user"]["display_name"], "Eve 2", "what may be edited was");
    for field in ["user_id", "email", "created_at"] {
        assert_eq!(after["user"][field], before["user"][field], "{field}");
    }
    eve.get("/api/v1/admin/users").await.refused(403, "permission_denied");
    let query = eve.send(eve.request(Method::GET, "/api/v1/me?roles=owner&permissions=*")).await.ok();
    assert_eq!(query, after);
    a_path_beats_a_body(&admin, user).await;
    eve.get(ME).await.refused(401, "session_ended");
}

fn assert_is_plain(me: &Value) {
    let user = &me["user"];
    assert_eq!(user["roles"], json!(["customer"]), "{me}");
    assert_eq!((&user["status"], &user["kind"]), (&json!("active"), &json!("person")), "{me}");
    assert_ne!(user["email_verified"], json!(true), "{me}");
    assert_eq!(me["permissions"].as_array().map_or(0, Vec::len), 0, "{me}");
    assert_eq!(me["levels"].as_array().map_or(0, Vec::len), 0, "{me}");
}

/// The path names whom a call is about; a body that names somebody else changes that one nothing.
async fn a_path_beats_a_body(admin: &Customer, user: &str) {
    let owner = admin.get(ME).await.ok();
    let body = json!({"user_id": owner["user"]["user_id"], "reason": "test"});
    let answer = admin.post(&format!("/api/v1/admin/users/{user}/suspend"), body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(admin.get(ME).await.ok()["user"]["status"], "active");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_parallel_refreshes_one_wins_and_the_session_goes_on() {
    let fleet = Fleet::in_process_with(|config| {
        // As long as it takes to serve them all on a small machine, and no refusal for want of places.
        config.identity.refresh_grace_seconds = 60;
        config.gateway.rates.login.in_flight_max = 2_000;
        config.gateway.rates.login.timeout_ms = 29_000;
    })
    .await;
    let customer = Arc::new(Customer::new(&fleet).await);
    let refresh = |token: String| {
        let customer = Arc::clone(&customer);
        async move { customer.post("/api/v1/auth/refresh", json!({"refresh_token": token})).await }
    };
    let first = customer.refresh_token.clone();
    let answers = join_all((0..1_000).map(|_| refresh(first.clone()))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in &lost {
        answer.refused(409, "refresh_token_just_used");
    }
    let second = won[0].body["session"]["refresh_token"].as_str().unwrap().to_owned();
    assert_eq!(refresh(second).await.status, 200, "the family was not revoked");
    customer.get(ME).await.ok();
    let sql = "SELECT count(*) FROM events WHERE name = 'session.reuse_detected'";
    let revoked: i64 =
        sqlx::query_scalar(sql).fetch_one(&fleet.database.superuser(identity::NAME)).await.unwrap();
    assert_eq!(revoked, 0);
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}

fn text(value: &Value) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
}
