//! What the relay publishes.

use std::time::Duration;

use contracts::vbwd::payments::v1::*;
use futures::StreamExt as _;
use serde_json::Value;

use crate::fixtures::{World, webhooks_only};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_and_failed_payments_are_published_and_nothing_else() {
    let world = World::start(webhooks_only()).await;
    let nats = async_nats::connect(world.nats.url()).await.unwrap();
    let mut heard = nats.subscribe("evt.>").await.unwrap();
    nats.flush().await.unwrap();
    let paid = world.pay("sandbox_card").await;
    let declined = world.pay("sandbox_declined").await;
    let pending = world.pay("sandbox_pending").await;
    let message = VoidPaymentRequest { payment_id: pending.payment_id.clone() };
    world.payments().void_payment(world.request(&world.invoicing(), message)).await.unwrap();
    let mut events = Vec::new();
    while events.len() < 3 {
        let message = tokio::time::timeout(Duration::from_secs(10), heard.next()).await.unwrap().unwrap();
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        let subject = format!("evt.{}.payments.payment.", world.tenant);
        assert!(message.subject.starts_with(&subject), "{}", message.subject);
        events.push(event);
    }
    let of = |payment: &Payment| {
        events.iter().find(|event| event["subject"] == payment.payment_id.as_str()).unwrap()
    };
    assert_eq!(of(&paid)["type"], "payment.captured");
    assert_eq!(of(&paid)["data"]["amount"]["minor"], "1999");
    assert_eq!(of(&paid)["data"]["invoiceId"], paid.invoice_id.as_str());
    assert_eq!(of(&declined)["data"]["failureCode"], "card_declined");
    assert_eq!(of(&pending)["data"]["failureCode"], "voided");
}
