//! Webhooks that are genuine, forged, stale, foreign, wrong and many.

use contracts::vbwd::payments::v1::*;
use fault::{Code, Fault};
use kernel::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::fixtures::{World, webhooks_only};

/// An authorised payment of ours, and what the provider would say once it is captured. The
/// provider's own webhooks are kept away.
async fn about_to_be_captured(world: &World) -> (Payment, Value) {
    world.let_webhooks_through(false);
    let payment = world.pay("sandbox_pending").await;
    let mut theirs = world.provider_payment(&payment.payment_id).await;
    theirs["status"] = json!("captured");
    (payment, theirs)
}

fn refused(outcome: Result<String, Fault>) -> (Code, String) {
    let fault = outcome.unwrap_err();
    (fault.code(), fault.reason().to_owned())
}

/// Nothing of what was refused left a trace.
async fn untouched(world: &World, payment: &Payment) {
    assert_eq!(world.get(&payment.payment_id).await.status(), PaymentStatus::Authorized);
    assert_eq!(world.history(&payment.payment_id).await, ["created", "provider_accepted", "authorized"]);
    assert_eq!(world.inbox().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_taken_once_and_fifty_at_a_time_capture_once() {
    let world = World::start(webhooks_only()).await;
    let (payment, theirs) = about_to_be_captured(&world).await;
    let webhook = world.webhook("evt_1", &theirs);
    let calls = (0..50).map(|_| world.receive(webhook.clone()));
    let mut words: Vec<_> =
        futures::future::join_all(calls).await.into_iter().map(|outcome| outcome.unwrap()).collect();
    words.sort();
    assert_eq!(words[0], "accepted");
    assert!(words[1..].iter().all(|word| word == "duplicate"));
    let history = world.history(&payment.payment_id).await;
    assert_eq!(history, ["created", "provider_accepted", "authorized", "captured"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_different_webhooks_about_one_capture_capture_once() {
    let world = World::start(webhooks_only()).await;
    let (payment, theirs) = about_to_be_captured(&world).await;
    let calls = (0..50).map(|nth| world.receive(world.webhook(&format!("evt_{nth}"), &theirs)));
    let outcomes = futures::future::join_all(calls).await;
    assert!(outcomes.into_iter().all(|outcome| outcome.unwrap() == "accepted"));
    let history = world.history(&payment.payment_id).await;
    assert_eq!(history, ["created", "provider_accepted", "authorized", "captured"]);
    assert_eq!(world.inbox().await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_signed_by_the_provider_changes_nothing() {
    let world = World::start(webhooks_only()).await;
    let (payment, theirs) = about_to_be_captured(&world).await;
    let genuine = world.webhook("evt_1", &theirs);

    let mut unsigned = genuine.clone();
    unsigned.headers.clear();
    let missing = (Code::Unauthenticated, "webhook_signature_missing".to_owned());
    assert_eq!(refused(world.receive(unsigned).await), missing);

    let mut tampered = genuine.clone();
    tampered.body.push(b' ');
    let invalid = (Code::Unauthenticated, "webhook_signature_invalid".to_owned());
    assert_eq!(refused(world.receive(tampered).await), invalid);

    let mut forged = genuine.clone();
    forged.headers.insert("webhook-signature".to_owned(), "v1,AAAA".to_owned());
    assert_eq!(refused(world.receive(forged).await), invalid);

    let body = String::from_utf8(genuine.body).unwrap();
    for seconds in [-301, 330] {
        let old = world.signed("evt_1", SystemClock.wall().as_second() + seconds, &body);
        let stale = (Code::Unauthenticated, "webhook_timestamp_stale".to_owned());
        assert_eq!(refused(world.receive(old).await), stale, "{seconds}");
    }
    untouched(&world, &payment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_amount_or_currency_is_refused_recorded_as_such_and_booked_nowhere() {
    let world = World::start(webhooks_only()).await;
    let (payment, theirs) = about_to_be_captured(&world).await;
    let rows = [
        ("amount", json!(1), "webhook_amount_mismatch"),
        ("amount", json!(2000), "webhook_amount_mismatch"),
        ("currency", json!("JPY"), "webhook_currency_mismatch"),
    ];
    for (field, value, reason) in rows {
        let mut wrong = theirs.clone();
        wrong[field] = value;
        for _ in 0..2 {
            let outcome = world.receive(world.webhook("evt_1", &wrong)).await;
            assert_eq!(refused(outcome), (Code::Rejected, reason.to_owned()));
        }
    }
    let contradicted = world.get(&payment.payment_id).await;
    assert_eq!(contradicted.status(), PaymentStatus::Contradicted);
    assert_eq!(contradicted.contradicted_by.unwrap().currency, "JPY");
    assert_eq!(world.inbox().await, 0);
    // The same event id with the right amount is not held to be known.
    assert_eq!(world.receive(world.webhook("evt_1", &theirs)).await.unwrap(), "accepted");
    let history = world.history(&payment.payment_id).await;
    let alarms = ["contradicted"; 3];
    let whole = [&["created", "provider_accepted", "authorized"][..], &alarms, &["captured"]].concat();
    assert_eq!(history, whole, "each contradiction once, then the right report");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_payment_provider_or_body_is_refused_and_stored_nowhere() {
    let world = World::start(webhooks_only()).await;
    let (payment, theirs) = about_to_be_captured(&world).await;
    let mut unknown = theirs.clone();
    unknown["id"] = json!("pay_unknown");
    unknown["reference"] = json!(ids::PaymentId::new());
    let not_ours = (Code::NotFound, "webhook_payment_unknown".to_owned());
    assert_eq!(refused(world.receive(world.webhook("evt_1", &unknown)).await), not_ours);
    // Our id with a foreign reference: the provider accepted our payment under another one.
    let mut other = theirs.clone();
    other["id"] = json!("pay_other");
    assert_eq!(refused(world.receive(world.webhook("evt_2", &other)).await), not_ours);

    let elsewhere =
        ReceiveWebhookRequest { provider: "nobody".to_owned(), ..world.webhook("evt_3", &theirs) };
    let nobody = (Code::NotFound, "webhook_provider_unknown".to_owned());
    assert_eq!(refused(world.receive(elsewhere).await), nobody);

    let garbage = world.signed("evt_4", SystemClock.wall().as_second(), "{}");
    let malformed = (Code::InvalidInput, "webhook_malformed".to_owned());
    assert_eq!(refused(world.receive(garbage).await), malformed);
    untouched(&world, &payment).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capture_after_failure_is_taken_as_late() {
    let world = World::start(webhooks_only()).await;
    world.let_webhooks_through(false);
    let payment = world.pay("sandbox_declined").await;
    let mut theirs = world.provider_payment(&payment.payment_id).await;
    theirs["status"] = json!("captured");
    assert_eq!(world.receive(world.webhook("evt_1", &theirs)).await.unwrap(), "accepted");
    let late: bool =
        sqlx::query_scalar("SELECT (payload->>'late')::boolean FROM events WHERE name = 'payment.captured'")
            .fetch_one(&world.superuser())
            .await
            .unwrap();
    assert!(late);
    assert_eq!(world.get(&payment.payment_id).await.status(), PaymentStatus::Captured);
}
