//! What operators do: capture, void, refund.

use auth::{Caller, Permissions};
use contracts::vbwd::money::v1::Money;
use contracts::vbwd::payments::v1::*;
use fault::{Code, Fault};
use ids::OperationId;

use crate::fixtures::{World, as_operation, webhooks_only};

fn admin(world: &World) -> Caller {
    let permissions = Permissions::new(["payments.capture", "payments.void", "payments.refund"]).unwrap();
    Caller { permissions, ..world.customer() }
}

async fn capture(world: &World, caller: &Caller, payment_id: &str) -> Result<Payment, Fault> {
    let payment_id = payment_id.to_owned();
    let message = CapturePaymentRequest { payment_id, ..CapturePaymentRequest::default() };
    Ok(world.payments().capture_payment(world.request(caller, message)).await?.into_inner().payment.unwrap())
}

async fn void(world: &World, payment_id: &str) -> Result<Payment, Fault> {
    let message = VoidPaymentRequest { payment_id: payment_id.to_owned() };
    Ok(world
        .payments()
        .void_payment(world.request(&admin(world), message))
        .await?
        .into_inner()
        .payment
        .unwrap())
}

async fn refund(
    world: &World,
    payment_id: &str,
    minor: Option<i64>,
    operation: OperationId,
) -> Result<Payment, Fault> {
    let amount = minor.map(|minor| Money { minor, currency: "EUR".to_owned() });
    let message =
        RefundPaymentRequest { payment_id: payment_id.to_owned(), amount, reason: "goodwill".to_owned() };
    let request = as_operation(world.request(&admin(world), message), operation);
    Ok(world.payments().refund_payment(request).await?.into_inner().payment.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authorised_payment_is_captured_once() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_pending").await;
    let refused = capture(&world, &world.customer(), &payment.payment_id).await.unwrap_err();
    assert_eq!(refused.code(), Code::Forbidden);
    for _ in 0..2 {
        let captured = capture(&world, &admin(&world), &payment.payment_id).await.unwrap();
        assert_eq!(captured.status(), PaymentStatus::Captured);
    }
    let history = world.history(&payment.payment_id).await;
    assert_eq!(history, ["created", "provider_accepted", "authorized", "capture_requested", "captured"]);
    let theirs = world.provider_payment(&payment.payment_id).await;
    assert_eq!(theirs["status"], "captured");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_captured_or_does_not_exist_is_refused() {
    let world = World::start(webhooks_only()).await;
    let waiting = world.pay("sandbox_card_3ds").await;
    let refused = capture(&world, &admin(&world), &waiting.payment_id).await.unwrap_err();
    assert_eq!((refused.code(), refused.reason()), (Code::Rejected, "payment_not_capturable"));
    let unknown = capture(&world, &admin(&world), &ids::PaymentId::new().to_string()).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.reason()), (Code::NotFound, "payment_not_found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authorised_payment_is_given_up_at_the_provider_too() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_pending").await;
    assert_eq!(void(&world, &payment.payment_id).await.unwrap().status(), PaymentStatus::Voided);
    assert_eq!(void(&world, &payment.payment_id).await.unwrap().status(), PaymentStatus::Voided);
    assert_eq!(world.provider_payment(&payment.payment_id).await["status"], "voided");
    let paid = world.pay("sandbox_card").await;
    let refused = void(&world, &paid.payment_id).await.unwrap_err();
    assert_eq!(refused.reason(), "payment_not_voidable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_goes_back_in_parts_and_never_more() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_card").await.payment_id;
    let operation = OperationId::new();
    for _ in 0..2 {
        let part = refund(&world, &payment, Some(500), operation).await.unwrap();
        assert_eq!((part.status(), part.refunded.unwrap().minor), (PaymentStatus::PartiallyRefunded, 500));
    }
    let other = refund(&world, &payment, Some(600), operation).await.unwrap_err();
    assert_eq!((other.code(), other.reason()), (Code::OperationReused, "operation_id_reused"));
    let greedy = refund(&world, &payment, Some(1500), OperationId::new()).await.unwrap_err();
    assert_eq!((greedy.code(), greedy.reason()), (Code::Rejected, "refund_exceeds_capture"));
    let rest = refund(&world, &payment, None, OperationId::new()).await.unwrap();
    assert_eq!((rest.status(), rest.refunded.unwrap().minor), (PaymentStatus::Refunded, 1999));
    assert_eq!(world.provider_payment(&payment).await["amount_refunded"], 1999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_refunds_of_the_whole_at_a_time_give_back_once() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_card").await.payment_id;
    let calls = (0..20).map(|_| refund(&world, &payment, Some(1999), OperationId::new()));
    let outcomes = futures::future::join_all(calls).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
    for refused in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(refused.reason(), "refund_exceeds_capture");
    }
    assert_eq!(world.provider_payment(&payment).await["amount_refunded"], 1999);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_captured_is_not_refunded() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_pending").await.payment_id;
    let refused = refund(&world, &payment, None, OperationId::new()).await.unwrap_err();
    assert_eq!((refused.code(), refused.reason()), (Code::Rejected, "payment_not_refundable"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_made_at_the_provider_is_taken_over() {
    let world = World::start(webhooks_only()).await;
    let payment = world.pay("sandbox_card").await.payment_id;
    let theirs = world.provider_payment(&payment).await;
    let path = format!("/{}/refunds", theirs["id"].as_str().unwrap());
    world.at_provider(&path, Some(serde_json::json!({"amount": 99}))).await;
    let part = world.wait_for(&payment, PaymentStatus::PartiallyRefunded).await;
    assert_eq!(part.refunded.unwrap().minor, 99);
}
