//! Reserving, taking in parts, and disputes, through the rpcs.

use auth::{Caller, Permissions};
use contracts::vbwd::money::v1::Money;
use contracts::vbwd::payments::v1::*;
use fault::Fault;
use ids::OperationId;
use serde_json::json;

use crate::fixtures::{World, as_operation, webhooks_only};

fn eur(minor: i64) -> Option<Money> {
    Some(Money { minor, currency: "EUR".to_owned() })
}

async fn reserved(world: &World) -> Payment {
    let order = CreatePaymentRequest { capture: CaptureMode::Manual.into(), ..world.order("sandbox_card") };
    let payment = world.create(order).await.unwrap();
    assert_eq!(payment.status(), PaymentStatus::Authorized);
    payment
}

async fn capture(
    world: &World,
    payment: &str,
    (minor, keep_rest): (i64, bool),
    operation: OperationId,
) -> Result<Payment, Fault> {
    let permissions = Permissions::new(["payments.capture"]).unwrap();
    let admin = Caller { permissions, ..world.customer() };
    let message = CapturePaymentRequest { payment_id: payment.to_owned(), amount: eur(minor), keep_rest };
    let request = as_operation(world.request(&admin, message), operation);
    Ok(world.payments().capture_payment(request).await?.into_inner().payment.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reserved_is_taken_in_parts_each_of_them_once() {
    let world = World::start(webhooks_only()).await;
    let payment = reserved(&world).await.payment_id;
    let first = OperationId::new();
    for _ in 0..2 {
        let part = capture(&world, &payment, (500, true), first).await.unwrap();
        assert_eq!((part.status(), part.captured), (PaymentStatus::PartiallyCaptured, eur(500)));
    }
    let greedy = capture(&world, &payment, (1500, false), OperationId::new()).await.unwrap_err();
    assert_eq!(greedy.reason(), "capture_exceeds_reserved");
    let last = capture(&world, &payment, (700, false), OperationId::new()).await.unwrap();
    assert_eq!((last.status(), last.captured), (PaymentStatus::PartiallyCaptured, eur(1200)));
    let late = capture(&world, &payment, (1, false), OperationId::new()).await.unwrap_err();
    assert_eq!(late.reason(), "payment_not_capturable", "the rest was released");
    assert_eq!(world.provider_payment(&payment).await["amount_captured"], 1200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_captures_of_one_part_at_a_time_never_take_more_than_is_reserved() {
    let world = World::start(webhooks_only()).await;
    let payment = reserved(&world).await.payment_id;
    let calls = (0..20).map(|_| capture(&world, &payment, (900, true), OperationId::new()));
    let outcomes = futures::future::join_all(calls).await;
    let taken = world.provider_payment(&payment).await["amount_captured"].as_i64().unwrap();
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((1..=2).contains(&done), "two parts of 900 fit into 1999: {outcomes:?}");
    assert_eq!(taken, 900 * i64::try_from(done).unwrap());
    assert_eq!(world.get(&payment).await.captured, eur(taken));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dispute_holds_its_money_until_it_is_won() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_card").await.payment_id;
    let path = format!("/{}/disputes", world.provider_payment(&payment).await["id"].as_str().unwrap());
    world.at_provider(&path, Some(json!({"amount": 1500}))).await;
    wait_for_event(&world, &payment, "dispute_opened").await;
    assert_eq!(world.get(&payment).await.disputed, eur(1500));
    world.at_provider(&path, Some(json!({"outcome": "won"}))).await;
    wait_for_event(&world, &payment, "dispute_won").await;
    assert_eq!(world.get(&payment).await.disputed, eur(0));
    assert_eq!(world.get(&payment).await.status(), PaymentStatus::Captured);
}

async fn wait_for_event(world: &World, payment: &str, event: &str) {
    for _ in 0..400 {
        if world.history(payment).await.iter().any(|name| name == event) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("{event} never came: {:?}", world.history(payment).await);
}
