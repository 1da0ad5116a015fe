//! Starting a payment.

use contracts::vbwd::money::v1::Money;
use contracts::vbwd::payments::v1::*;
use fault::Code;

use crate::fixtures::{World, webhooks_only};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_payment_however_often_it_is_created() {
    let world = World::start(webhooks_only()).await;
    let order = world.order("sandbox_card");
    let calls = (0..20).map(|_| world.create(order.clone()));
    for payment in futures::future::join_all(calls).await {
        assert_eq!(payment.unwrap().payment_id, order.payment_id);
    }
    let payment = world.wait_for(&order.payment_id, PaymentStatus::Captured).await;
    assert_eq!(payment.amount, order.amount);
    assert_eq!(world.history(&order.payment_id).await, ["created", "provider_accepted", "captured"]);
    world.provider_payment(&order.payment_id).await; // asserts that it is one
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_terms_under_the_same_id_are_refused() {
    let world = World::start(webhooks_only()).await;
    let order = world.order("sandbox_pending");
    world.create(order.clone()).await.unwrap();
    let cheaper =
        CreatePaymentRequest { amount: Some(Money { minor: 1, currency: "EUR".to_owned() }), ..order };
    let refused = world.create(cheaper).await.unwrap_err();
    assert_eq!((refused.code(), refused.reason()), (Code::AlreadyExists, "payment_terms_differ"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_input_creates_nothing() {
    let world = World::start(webhooks_only()).await;
    let order = || world.order("sandbox_card");
    let eur = |minor| Some(Money { minor, currency: "EUR".to_owned() });
    let rows = [
        (CreatePaymentRequest { method: "card".to_owned(), ..order() }, "payment_method_unknown"),
        (CreatePaymentRequest { amount: None, ..order() }, "invalid_input"),
        (CreatePaymentRequest { amount: eur(0), ..order() }, "invalid_input"),
        (CreatePaymentRequest { amount: eur(-1), ..order() }, "invalid_input"),
        (CreatePaymentRequest { invoice_id: "42".to_owned(), ..order() }, "invalid_input"),
        (
            CreatePaymentRequest { amount: Some(Money { minor: 1, currency: "XXX".to_owned() }), ..order() },
            "invalid_input",
        ),
    ];
    for (order, reason) in rows {
        let refused = world.create(order).await.unwrap_err();
        assert_eq!((refused.code(), refused.reason()), (Code::InvalidInput, reason));
    }
    let events: i64 =
        sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&world.superuser()).await.unwrap();
    assert_eq!(events, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_cannot_take_has_failed() {
    let world = World::start(webhooks_only()).await;
    let order = CreatePaymentRequest { return_url: "nowhere".to_owned(), ..world.order("sandbox_card_3ds") };
    let payment = world.create(order).await.unwrap();
    assert_eq!(payment.status(), PaymentStatus::Failed);
    assert_eq!(payment.failure_code, "return_url_invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_services_create_payments() {
    let world = World::start(webhooks_only()).await;
    let request = world.request(&world.customer(), world.order("sandbox_card"));
    let refused = fault::Fault::from(world.payments().create_payment(request).await.unwrap_err());
    assert_eq!(refused.code(), Code::Forbidden);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_methods_are_listed() {
    let world = World::start(webhooks_only()).await;
    let message = ListPaymentMethodsRequest {
        currency: "EUR".to_owned(),
        country: "DE".to_owned(),
        ..ListPaymentMethodsRequest::default()
    };
    let nobody = auth::Caller::anonymous(world.tenant);
    let answer = world.payments().list_payment_methods(world.request(&nobody, message)).await.unwrap();
    let codes: Vec<_> = answer.into_inner().methods.into_iter().map(|method| method.code).collect();
    assert_eq!(codes, payments_gateway_sandbox::behaviour::METHODS);
}
