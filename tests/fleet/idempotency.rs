//! The same key means the same purchase.

use futures::future::join_all;
use serde_json::json;

use crate::harness::customer::{invoice_id, order};
use crate::harness::{Customer, Fleet, books};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_parallel_checkouts_with_one_key_are_one_purchase() {
    let fleet = Fleet::in_process().await;
    let customer = Customer::new(&fleet).await;
    let (bundle, _) = customer.bundle("500").await;
    let body = order(&bundle, "sandbox_card");
    let answers =
        join_all((0..100).map(|_| customer.post_once("/api/v1/checkout", "the-one", body.clone()))).await;
    let mut invoices: Vec<_> = answers
        .iter()
        .filter(|answer| {
            let in_flight = answer.status == 409 && answer.code() == "idempotency_in_flight";
            assert!(in_flight || answer.status == 201, "{} {}", answer.status, answer.body);
            !in_flight
        })
        .map(|answer| invoice_id(&answer.body))
        .collect();
    invoices.sort();
    invoices.dedup();
    assert_eq!(invoices.len(), 1, "one purchase");
    customer.wait_for_invoice(&invoices[0], "INVOICE_STATUS_PAID").await;
    customer.wait_for_tokens(500).await;
    let replay = customer.post_once("/api/v1/checkout", "the-one", body.clone()).await;
    assert_eq!(replay.headers["idempotent-replayed"], "true");
    assert_eq!(invoice_id(&replay.ok()), invoices[0]);
    another_body_under_the_key(&customer, &body).await;
    a_missing_key(&customer, &body).await;
    somebody_elses_key(&fleet, &bundle, &invoices[0]).await;
    books::assert_balanced(&fleet).await;
}

async fn another_body_under_the_key(customer: &Customer, body: &serde_json::Value) {
    let mut other = body.clone();
    other["lines"][0]["quantity"] = json!("2");
    customer.post_once("/api/v1/checkout", "the-one", other).await.refused(422, "idempotency_key_reused");
}

async fn a_missing_key(customer: &Customer, body: &serde_json::Value) {
    customer.post("/api/v1/checkout", body.clone()).await.refused(400, "idempotency_key_missing");
}

async fn somebody_elses_key(fleet: &Fleet, bundle: &str, theirs: &str) {
    let other = Customer::new(fleet).await;
    let body = other.post_once("/api/v1/checkout", "the-one", order(bundle, "sandbox_card")).await.ok();
    assert_ne!(invoice_id(&body), theirs, "keys belong to callers");
}
