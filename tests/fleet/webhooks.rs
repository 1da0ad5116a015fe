//! Webhooks that must not move money.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Customer, Fleet};

const PATH: &str = "/api/v1/webhooks/sandbox";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_without_our_signature_changes_nothing() {
    let fleet = Fleet::in_process().await;
    let customer = Customer::new(&fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let body = customer.check_out(&bundle, "sandbox_pending").await.ok();
    let forged = json!({"type": "payment.captured", "data": body["payment"]}).to_string();
    let nobody = Customer::stranger(&fleet);
    let unsigned = nobody.send(nobody.request(Method::POST, PATH).body(forged.clone())).await;
    unsigned.refused(401, "webhook_signature_missing");
    let signed = nobody
        .request(Method::POST, PATH)
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", "1700000000")
        .header("webhook-signature", "v1,AAAA")
        .body(forged.clone());
    let answer = nobody.send(signed).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    let elsewhere = nobody.send(nobody.request(Method::POST, "/api/v1/webhooks/nobody").body(forged)).await;
    assert_eq!(elsewhere.status, 404, "{}", elsewhere.body);
    assert_eq!(customer.tokens().await, 0);
}
