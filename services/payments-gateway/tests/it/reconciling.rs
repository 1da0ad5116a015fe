//! No webhook, no provider, no process at the wrong moment: it ends all the same.

use std::time::Duration;

use contracts::vbwd::payments::v1::*;
use payments_gateway::Config;
use serde_json::json;

use crate::fixtures::{World, quick, webhooks_only};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_whose_webhook_never_comes_is_found() {
    let world = World::start(quick()).await;
    world.let_webhooks_through(false);
    let payment = world.pay("sandbox_card_3ds").await;
    world.client.post(format!("{}/approve", payment.redirect_url)).send().await.unwrap();
    world.wait_for(&payment.payment_id, PaymentStatus::Captured).await;
    assert_eq!(world.inbox().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_was_down_is_asked_when_it_is_back() {
    let mut config = quick();
    let reserved = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    config.providers.sandbox.base_url = format!("http://{address}");
    let world = World::start(config).await;
    let payment = world.pay("sandbox_card").await;
    assert_eq!(payment.status(), PaymentStatus::Created, "known to us, not to the provider");
    tokio::time::sleep(Duration::from_millis(500)).await;
    forward(address, &world.provider_url);
    let captured = world.wait_for(&payment.payment_id, PaymentStatus::Captured).await;
    assert_eq!(captured.amount, payment.amount);
    assert_eq!(world.history(&payment.payment_id).await, ["created", "provider_accepted", "captured"]);
}

/// The provider comes up at the address it should have.
fn forward(address: std::net::SocketAddr, provider_url: &str) {
    let target = provider_url.trim_start_matches("http://").to_owned();
    crate::fixtures::spawn(async move {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let target = target.clone();
            crate::fixtures::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
}

/// As after `kill -9` between the provider's answer and our record: the provider has the payment
/// under our key, we have only the intention.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_made_at_the_provider_before_we_could_record_it_is_not_made_twice() {
    let world = World::start(quick()).await;
    world.let_webhooks_through(false);
    let order = world.order("sandbox_card");
    let made = json!({
        "reference": order.payment_id, "amount": 1999, "currency": "EUR", "method": "sandbox_card",
        "return_url": order.return_url, "description": order.description,
    });
    // The adapter's body, byte for byte, under its key: the sandbox refuses another body.
    let url = format!("{}/v1/payments", world.provider_url);
    let key = secrecy::ExposeSecret::expose_secret(world.credentials.api_key()).to_owned();
    let sent =
        world.client.post(url).bearer_auth(key).header("idempotency-key", &order.payment_id).json(&made);
    let theirs: serde_json::Value = sent.send().await.unwrap().json().await.unwrap();
    let payment = world.create(order).await.unwrap();
    assert_eq!(payment.status(), PaymentStatus::Captured);
    assert_eq!(world.provider_payment(&payment.payment_id).await["id"], theirs["id"]);
}

/// The same moment, but the webhook is quicker than our record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_overtakes_our_record_finds_the_payment() {
    let mut config = webhooks_only();
    config.providers.sandbox.base_url = "http://127.0.0.1:9".to_owned(); // nobody answers
    let world = World::start(config).await;
    let payment = world.pay("sandbox_card").await;
    assert_eq!(payment.status(), PaymentStatus::Created);
    let made = json!({
        "reference": payment.payment_id, "amount": 1999, "currency": "EUR", "method": "sandbox_card"
    });
    world.at_provider("", Some(made)).await;
    world.wait_for(&payment.payment_id, PaymentStatus::Captured).await;
    assert_eq!(world.history(&payment.payment_id).await, ["created", "provider_accepted", "captured"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_pays_expires_at_the_provider_too() {
    let world = World::start(Config { expire_after_seconds: 1, ..quick() }).await;
    let payment = world.pay("sandbox_card_3ds").await;
    let failed = world.wait_for(&payment.payment_id, PaymentStatus::Failed).await;
    assert_eq!(failed.failure_code, "expired");
    assert_eq!(world.provider_payment(&payment.payment_id).await["status"], "voided");
    let due: Option<jiff_sqlx::Timestamp> =
        sqlx::query_scalar("SELECT next_check_at FROM payments").fetch_one(&world.superuser()).await.unwrap();
    assert!(due.is_none(), "nothing is asked any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_about_an_open_payment_grow_rarer() {
    let world = World::start(quick()).await;
    let payment = world.pay("sandbox_card_3ds").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let checks: i32 =
        sqlx::query_scalar("SELECT checks FROM payments").fetch_one(&world.superuser()).await.unwrap();
    assert!((1..=4).contains(&checks), "200 ms, 400 ms, 800 ms, … gave {checks}");
    let history = world.history(&payment.payment_id).await;
    assert_eq!(history, ["created", "provider_accepted", "action_required"], "asking leaves no trace");
}
