//! Privileged actions of every service reach the one trail, with who, what, from where and what changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use auth::{Caller, Permissions, Subject};
use eventstore::EventStore;
use ids::{TenantId, UserId};
use kernel::SystemClock;
use runtime::audit::Trail;
use serde_json::{Value, json};
use tonic::service::Routes;
use tower::ServiceExt as _;

use crate::harness::{Customer, Fleet, eventually};

/// The newest entry of an action, once it has arrived.
async fn entry(admin: &Customer, action: &str) -> Value {
    eventually(&format!("an entry {action}"), Duration::from_secs(15), || async {
        let found = admin.get(&format!("/api/v1/admin/audit?action={action}&page_size=1")).await.ok();
        found["entries"].get(0).cloned()
    })
    .await
}

fn state(entry: &Value, side: &str) -> Value {
    serde_json::from_str(entry[side].as_str().unwrap()).unwrap_or(Value::Null)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_administrators_do_in_any_service_is_in_the_trail() {
    let fleet = Fleet::in_process().await;
    let admin = Customer::admin(&fleet).await;
    let me = admin.get("/api/v1/me").await.ok()["user"]["user_id"].as_str().unwrap_or_default().to_owned();
    bundles(&admin, &me).await;
    templates(&admin).await;
    endpoints(&admin).await;
    ledger(&admin).await;
    payments(&fleet, &admin).await;
    let verdict = admin.get("/api/v1/admin/audit/verify").await.ok();
    assert_eq!(verdict["intact"], true, "{verdict}");
    let export =
        admin.post("/api/v1/admin/audit/export", json!({"format": "csv", "source": "wallet"})).await.ok();
    assert!(export["content"].as_str().unwrap().contains("wallet.create_token_bundle"), "{export}");
    let customer = Customer::new(&fleet).await;
    customer.get("/api/v1/admin/audit").await.refused(403, "permission_denied");
}

async fn bundles(admin: &Customer, me: &str) {
    let body = json!({"name": "Audited", "tokens": "7", "prices": [{"currency": "EUR", "minor": "100"}], "active": true});
    let made = admin.post("/api/v1/admin/token-bundles", body.clone()).await.ok();
    let bundle = made["bundle"]["bundle_id"].as_str().unwrap().to_owned();
    let entry_made = entry(admin, "wallet.create_token_bundle").await;
    assert_eq!(entry_made["target"], format!("bundle/{bundle}"));
    assert_eq!(entry_made["source"], "wallet");
    assert!(entry_made["actor"].as_str().unwrap().starts_with("user:"), "{entry_made}");
    assert!(entry_made["actor"].as_str().unwrap().contains(me), "{entry_made}");
    assert_eq!(entry_made["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(entry_made["origin_address"], "127.0.0.1");
    let mut changed = body;
    changed["name"] = json!("Renamed");
    changed["revision"] = made["bundle"]["revision"].clone();
    admin.put(&format!("/api/v1/admin/token-bundles/{bundle}"), changed).await.ok();
    let updated = entry(admin, "wallet.update_token_bundle").await;
    assert_eq!(state(&updated, "before_json")["name"], "Audited");
    assert_eq!(state(&updated, "after_json")["name"], "Renamed");
}

async fn templates(admin: &Customer) {
    let path = "/api/v1/admin/mail/templates/invoice.paid";
    let words = json!({"subject": "Paid", "text": "Thanks.", "html": "<p>Thanks.</p>", "notice": "Paid."});
    admin.put(&format!("{path}/en"), json!({"words": words})).await.ok();
    let put = entry(admin, "notify.put_template").await;
    assert_eq!(put["target"], "template/invoice.paid/en");
    assert_eq!(state(&put, "after_json")["subject"], "Paid");
    assert_ne!(state(&put, "before_json")["subject"], "Paid");
    // What is refused leaves nothing.
    admin.put(&format!("{path}/en"), json!({"words": {"subject": "{{ nonsense"}})).await;
    let again = entry(admin, "notify.put_template").await;
    assert_eq!(again["entry_id"], put["entry_id"]);
}

async fn endpoints(admin: &Customer) {
    let body = json!({"url": "https://hooks.example.com/x", "contact_email": "ann@example.com"});
    let made = admin.post("/api/v1/admin/webhook-endpoints", body).await.ok();
    let id = made["endpoint"]["endpoint_id"].as_str().unwrap();
    admin.get(&format!("/api/v1/admin/webhook-endpoints/{id}/secret")).await.ok();
    let seen = entry(admin, "notify.get_webhook_secret").await;
    assert_eq!(seen["target"], format!("endpoint/{id}"));
    let created = entry(admin, "notify.create_webhook_endpoint").await;
    assert_eq!(state(&created, "after_json")["contact_email"], "a…@example.com");
    let secret = made["secret"].as_str().unwrap();
    let found = admin.get(&format!("/api/v1/admin/audit?query={}", &secret[6..20])).await.ok();
    assert_eq!(found["entries"].as_array().unwrap().len(), 0, "a secret is in the trail");
}

async fn ledger(admin: &Customer) {
    let operation = uuid::Uuid::now_v7();
    let rules = json!([{"name": "big-ones", "asset": "TOKEN", "operation_max": "5000000"}]);
    admin.put("/api/v1/admin/ledger/limits", json!({"operation_id": operation, "rules": rules})).await.ok();
    let set = entry(admin, "wallet.set_limits").await;
    assert_eq!((&set["target"], &set["outcome"]), (&json!("limits"), &json!("done")));
    assert_eq!(state(&set, "after_json")["request"]["operation_id"], json!(operation));
}

async fn payments(fleet: &Fleet, admin: &Customer) {
    let customer = Customer::new(fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let body = customer.check_out(&bundle, "sandbox_card").await.ok();
    let invoice = crate::harness::customer::invoice_id(&body);
    customer.wait_for_invoice(&invoice, "INVOICE_STATUS_PAID").await;
    let payment = body["payment"]["payment_id"].as_str().unwrap_or_else(|| panic!("{body}"));
    let path = format!("/api/v1/admin/payments/{payment}/refunds");
    let key = uuid::Uuid::now_v7().to_string();
    admin.post_once(&path, &key, json!({"reason": "a wish"})).await.ok();
    let refunded = entry(admin, "payments.refund_payment").await;
    assert_eq!(refunded["target"], format!("payment/{payment}"));
    assert_eq!(state(&refunded, "before_json")["status"], "captured");
    assert_eq!(state(&refunded, "after_json")["refunds"][0]["outcome"], "completed");
}

/// Answers every rpc with nothing.
fn agreeable() -> Routes {
    Routes::from(axum::Router::new().fallback(|| async { "" }))
}

#[tokio::test]
async fn no_privileged_rpc_of_any_service_goes_unnoted() {
    let database = testkit::databases(fleet::command::migrate::migrations()).await;
    let trail = Trail::new(EventStore::new(database.pool("wallet"), "wallet"), Arc::new(SystemClock));
    let mut expected = BTreeSet::new();
    for rpc in contracts::methods() {
        let (permission, writes) = match &rpc.access {
            Some(contracts::Access::Permission(name)) => {
                (name, rpc.idempotency != contracts::Idempotency::Safe)
            }
            _ => continue,
        };
        let caller = Caller {
            subject: Subject::User(UserId::new()),
            permissions: Permissions::new([permission.as_str()]).unwrap(),
            ..Caller::anonymous(TenantId::new())
        };
        let body = axum::body::Body::from(vec![0, 0, 0, 0, 0]);
        let mut request = http::Request::post(&rpc.path).body(body).unwrap();
        request.extensions_mut().insert(Arc::new(caller));
        let answer = trail.around(agreeable()).oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{}", rpc.path);
        if writes || permission.ends_with(".secrets") {
            expected.insert(rpc.descriptor.name().to_owned());
        }
    }
    let noted: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT action FROM audit_outbox WHERE outcome = 'done'")
            .fetch_all(&database.superuser("wallet"))
            .await
            .unwrap();
    let snake = |name: &String| -> String {
        name.chars()
            .flat_map(|c| if c.is_ascii_uppercase() { vec!['_', c.to_ascii_lowercase()] } else { vec![c] })
            .collect()
    };
    let noted: BTreeSet<_> =
        noted.iter().map(|action| action.split_once('.').unwrap().1.to_owned()).collect();
    let expected: BTreeSet<_> =
        expected.iter().map(|name| snake(name).trim_start_matches('_').to_owned()).collect();
    assert_eq!(noted, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_that_a_crash_cut_off_is_told_as_unknown() {
    let fleet = Fleet::in_process().await;
    let admin = Customer::admin(&fleet).await;
    let insert = "INSERT INTO audit_outbox (entry_id, tenant_id, at, actor, action, target, origin_address, trace_id, \
                  operation_id, before_json, after_json) \
                  SELECT gen_random_uuid(), tenant_id, now() - interval '10 minutes', 'user:x', 'payments.void_payment', \
                  'payment/1', '', '', gen_random_uuid(), '', '' FROM identity.tenants WHERE slug = 'demo'";
    sqlx::query(insert).execute(&fleet.database.superuser("payments")).await.unwrap();
    let found = entry(&admin, "payments.void_payment").await;
    assert_eq!(found["outcome"], "unknown");
}
