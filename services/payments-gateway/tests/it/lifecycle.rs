//! The documented ways through a payment, with webhooks as they really come.

use std::time::Duration;

use contracts::vbwd::payments::v1::*;

use crate::fixtures::{World, webhooks_only};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_immediate_card_is_captured_and_its_webhook_changes_nothing_more() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_card").await;
    assert_eq!(payment.status(), PaymentStatus::Captured);
    assert_eq!(payment.provider, "sandbox");
    world.wait_for_inbox(1).await;
    assert_eq!(world.history(&payment.payment_id).await, ["created", "provider_accepted", "captured"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_leads_over_the_page_to_the_capture() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_card_3ds").await;
    assert_eq!(payment.status(), PaymentStatus::RequiresAction);
    let sent = world.client.post(format!("{}/approve", payment.redirect_url)).send().await.unwrap();
    let back = sent.headers()["location"].to_str().unwrap();
    assert_eq!(back, format!("https://shop.example/return?payment_id={}", payment.payment_id));
    let captured = world.wait_for(&payment.payment_id, PaymentStatus::Captured).await;
    assert_eq!(captured.redirect_url, "", "there is nothing left to do");
    let history = world.history(&payment.payment_id).await;
    assert_eq!(history, ["created", "provider_accepted", "action_required", "captured"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_that_is_declined_fails_the_payment() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_card_3ds").await;
    world.client.post(format!("{}/decline", payment.redirect_url)).send().await.unwrap();
    let failed = world.wait_for(&payment.payment_id, PaymentStatus::Failed).await;
    assert_eq!(failed.failure_code, "authentication_failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_card_has_failed_with_its_class() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_declined").await;
    assert_eq!(payment.status(), PaymentStatus::Failed);
    assert_eq!(payment.failure_code, "card_declined");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_payment_is_settled_by_the_provider() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_pending").await;
    assert_eq!(payment.status(), PaymentStatus::Authorized);
    let theirs = world.provider_payment(&payment.payment_id).await;
    world
        .at_provider(&format!("/{}/settle", theirs["id"].as_str().unwrap()), Some(serde_json::json!({})))
        .await;
    world.wait_for(&payment.payment_id, PaymentStatus::Captured).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_twice_and_out_of_order_capture_once() {
    let world = World::start(webhooks_only()).await;
    let twice = world.pay("sandbox_webhook_duplicated").await;
    let reordered = world.pay("sandbox_webhook_reordered").await;
    world.wait_for_inbox(3).await; // one of three copies, and both of the reordered
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.inbox().await, 3);
    for payment in [twice, reordered] {
        assert_eq!(world.history(&payment.payment_id).await, ["created", "provider_accepted", "captured"]);
    }
}
