//! Webhooks: signed, repeated, late, twice, out of order, and fast enough.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fixtures::{Fixture, payment};

#[tokio::test]
async fn a_capture_is_reported_and_signed() {
    let sandbox = Fixture::start().await;
    let payment = sandbox.pay("sandbox_card").await;
    let webhook = &sandbox.merchant.wait_for(1).await[0];
    assert_eq!(webhook.body["type"], "payment.captured");
    assert_eq!(webhook.body["data"], payment);
    assert_eq!(webhook.body["id"], webhook.id);
    let signature = sandbox.credentials.sign(&webhook.id, webhook.timestamp, &webhook.raw).unwrap();
    assert_eq!(webhook.signature, signature);
}

#[tokio::test]
async fn every_change_is_reported_with_its_type() {
    let sandbox = Fixture::start().await;
    let payment = sandbox.pay("sandbox_pending").await;
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    sandbox.send(&format!("{path}/capture"), None, &json!({})).await;
    sandbox.send(&format!("{path}/refunds"), None, &json!({"amount": 5})).await;
    let mut types: Vec<_> =
        sandbox.merchant.wait_for(3).await.iter().map(|webhook| webhook.body["type"].to_string()).collect();
    types.sort();
    assert_eq!(types, ["\"payment.authorized\"", "\"payment.captured\"", "\"payment.refunded\""]);
}

#[tokio::test]
async fn a_refused_webhook_is_sent_again_until_it_is_taken() {
    let sandbox = Fixture::start().await;
    sandbox.merchant.refuse_next(3);
    sandbox.pay("sandbox_card").await;
    let webhooks = sandbox.merchant.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(sandbox.merchant.received().len(), webhooks.len(), "once taken, never again");
}

#[tokio::test]
async fn webhooks_of_before_a_crash_are_sent_after_it() {
    let sandbox = Fixture::start_without_sender().await;
    sandbox.pay("sandbox_card").await;
    assert!(sandbox.merchant.received().is_empty());
    sandbox.start_sender();
    assert_eq!(sandbox.merchant.wait_for(1).await.len(), 1);
}

#[tokio::test]
async fn duplicates_share_the_event_id_and_reordered_ones_end_with_the_older() {
    let sandbox = Fixture::start().await;
    sandbox.pay("sandbox_webhook_duplicated").await;
    let copies = sandbox.merchant.wait_for(3).await;
    assert!(copies.iter().all(|copy| copy.id == copies[0].id));
    sandbox.pay("sandbox_webhook_reordered").await;
    let all = sandbox.merchant.wait_for(5).await;
    assert_eq!(all[3].body["type"], "payment.captured");
    assert_eq!(all[4].body["type"], "payment.processing");
}

#[tokio::test]
async fn two_senders_share_the_work_and_the_rate_is_sufficient() {
    const WEBHOOKS: usize = 1000;
    let sandbox = Fixture::start_without_sender().await;
    let body = payment("sandbox_card");
    for _ in 0..WEBHOOKS / 50 {
        let calls = (0..50).map(|_| sandbox.send("/v1/payments", None, &body));
        futures::future::join_all(calls).await;
    }
    let started = Instant::now();
    sandbox.start_sender();
    sandbox.start_sender();
    let received = sandbox.merchant.wait_for(WEBHOOKS).await;
    let seconds = started.elapsed().as_secs_f64();
    let ids: std::collections::HashSet<_> = received.iter().map(|webhook| webhook.id.clone()).collect();
    assert_eq!((received.len(), ids.len()), (WEBHOOKS, WEBHOOKS), "no webhook twice, none lost");
    println!("{WEBHOOKS} webhooks in {seconds:.2} s");
}
