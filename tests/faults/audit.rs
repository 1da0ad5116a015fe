//! The audit trail while identity, which keeps it, is gone.

use std::time::Duration;

use fleet::roles::Role;
use serde_json::json;

use crate::harness::{Customer, Fleet, eventually};

/// Endpoints made by an administrator while identity is killed and started again.
const ACTIONS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_while_identity_is_gone_is_in_the_trail_once_it_is_back() {
    let mut fleet = Fleet::of_processes().await;
    let admin = Customer::admin(&fleet).await;
    admin.get("/api/v1/admin/webhook-endpoints").await.ok();
    fleet.processes().kill_9(Role::Identity);
    for number in 0..ACTIONS {
        let body = json!({"url": format!("https://hooks.example.com/{number}")});
        admin.post("/api/v1/admin/webhook-endpoints", body).await.ok();
        if number == ACTIONS / 2 {
            fleet.processes().crash(Role::Notify).await;
            fleet.wait_until_served().await;
        }
    }
    fleet.processes().launch(Role::Identity);
    fleet.processes().wait_until_ready(Role::Identity).await;
    eventually("every action is in the trail", Duration::from_secs(30), || async {
        let path = "/api/v1/admin/audit?action=notify.create_webhook_endpoint&page_size=200";
        let entries = admin.get(path).await;
        let count = entries.body["entries"].as_array().map(Vec::len).unwrap_or_default();
        assert!(count <= ACTIONS, "an action is in the trail twice");
        (count == ACTIONS).then_some(())
    })
    .await;
    let verdict = admin.get("/api/v1/admin/audit/verify").await.ok();
    assert_eq!(verdict["intact"], true, "{verdict}");
}
