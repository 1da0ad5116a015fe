//! What somebody may do changes on the next call, and what an API key opens, over HTTP.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Customer, Fleet};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_access_are_effective_on_the_next_call() {
    let fleet = Fleet::in_process().await;
    let (admin, customer) = (Customer::admin(&fleet).await, Customer::new(&fleet).await);
    let me = customer.get("/api/v1/me").await.ok();
    let id = me["user"]["user_id"].as_str().unwrap().to_owned();
    customer.get("/api/v1/admin/users").await.refused(403, "permission_denied");
    let roles = format!("/api/v1/admin/users/{id}/roles");
    admin.put("/api/v1/admin/roles/clerk", json!({"permissions": ["users.read"]})).await.ok();
    admin.put(&roles, json!({"roles": ["clerk"]})).await.ok();
    customer.get("/api/v1/admin/users").await.ok();
    let cell = "/api/v1/admin/roles/clerk/permissions/users.read";
    admin.put(cell, json!({"granted": false})).await.ok();
    customer.get("/api/v1/admin/users").await.refused(403, "permission_denied");
    admin.put(cell, json!({"granted": true})).await.ok();
    let why = admin.get(&format!("/api/v1/admin/users/{id}/permissions/users.read")).await.ok();
    assert_eq!((&why["allowed"], &why["paths"][0]["role"]), (&json!(true), &json!("clerk")));
    the_key_of_a_clerk(&admin, &customer, &roles).await;
    an_impersonator(&admin, &id).await;
    a_revoked_session(&customer).await;
    admin.post(&format!("/api/v1/admin/users/{id}/suspend"), json!({"reason": "test"})).await.ok();
    customer.get("/api/v1/me").await.refused(401, "session_ended");
}

async fn the_key_of_a_clerk(admin: &Customer, clerk: &Customer, roles: &str) {
    let wish = json!({"name": "ci", "scopes": ["users.read"]});
    let made = clerk.post("/api/v1/me/api-keys", wish).await.ok();
    let (secret, key) = (made["secret"].as_str().unwrap(), made["key"]["key_id"].as_str().unwrap());
    let program = Customer { token: Some(secret.to_owned()), ..clerk.clone() };
    program.get("/api/v1/admin/users").await.ok();
    program.get("/api/v1/me/api-keys").await.refused(403, "own_session_required");
    admin.put(roles, json!({"roles": ["customer"]})).await.ok();
    program.get("/api/v1/admin/users").await.refused(403, "permission_denied");
    admin.put(roles, json!({"roles": ["clerk"]})).await.ok();
    program.get("/api/v1/admin/users").await.ok();
    let path = format!("/api/v1/me/api-keys/{key}");
    clerk.send(clerk.request(Method::DELETE, &path)).await.ok();
    program.get("/api/v1/admin/users").await.refused(401, "token_invalid");
    let guess = Customer { token: Some("vbwd_00000000_guess".to_owned()), ..clerk.clone() };
    guess.get("/api/v1/me").await.refused(401, "token_invalid");
}

async fn an_impersonator(admin: &Customer, id: &str) {
    let body = json!({"reason": "ticket 42", "minutes": 5});
    let opened = admin.post(&format!("/api/v1/admin/users/{id}/impersonate"), body).await.ok();
    let token = opened["session"]["access_token"].as_str().unwrap().to_owned();
    let acting = Customer { token: Some(token), ..admin.clone() };
    let me = acting.get("/api/v1/me").await.ok();
    assert_eq!((&me["user"]["user_id"], &me["impersonation"]["reason"]), (&json!(id), &json!("ticket 42")));
    acting.get("/api/v1/me/export").await.refused(403, "own_session_required");
    acting.post("/api/v1/auth/logout", json!({})).await.ok();
    acting.get("/api/v1/me").await.refused(401, "session_ended");
}

async fn a_revoked_session(customer: &Customer) {
    let other = customer.clone().signed_in(&customer.email, "correct horse battery staple").await;
    let listed = customer.get("/api/v1/me/sessions").await.ok();
    let sessions = listed["sessions"].as_array().unwrap();
    let theirs = sessions.iter().find(|session| session["current"] != json!(true)).unwrap();
    let path = format!("/api/v1/me/sessions/{}", theirs["session_id"].as_str().unwrap());
    other.get("/api/v1/me").await.ok();
    customer.send(customer.request(Method::DELETE, &path)).await.ok();
    other.get("/api/v1/me").await.refused(401, "session_ended");
    customer.get("/api/v1/me").await.ok();
}
