//! Webhooks from an event on the broker to a receiver that has moods.

use std::time::{Duration, Instant};

use contracts::vbwd::notify::v1::*;
use http::{HeaderMap, HeaderName, HeaderValue};
use ids::OperationId;
use standardwebhooks::Webhook;

use crate::world::{World, eventually, world, world_with};
use testkit::{Received, Receiver};

fn verify(secret: &str, received: &Received) -> Result<(), String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &received.headers {
        headers.insert(HeaderName::try_from(name.as_str()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let webhook = Webhook::new(secret).map_err(|error| format!("{error:?}"))?;
    webhook.verify(received.body.as_bytes(), &headers).map_err(|error| format!("{error:?}"))
}

async fn arrived(receiver: &Receiver, path: &str, count: usize) {
    eventually(&format!("{count} at {path}"), || async { receiver.count(path) >= count }).await;
}

#[tokio::test]
async fn an_event_arrives_signed_as_the_official_library_demands() {
    let (world, receiver) = (world().await, Receiver::start());
    let (endpoint, secret) = world.endpoint(&receiver.url("/ok"), &["invoice.*"]).await;
    let event = world.publish_invoice_paid("INV-1").await;
    world.publish_registered().await;
    arrived(&receiver, "/ok", 1).await;
    let received = &receiver.received("/ok")[0];
    verify(&secret, received).unwrap();
    assert_eq!(received.headers["webhook-id"], format!("msg_{event}"));
    let body = received.json();
    assert_eq!(
        (body["type"].as_str(), body["data"]["number"].as_str()),
        (Some("invoice.paid"), Some("INV-1"))
    );
    let mut altered = received.clone();
    altered.body = altered.body.replace("INV-1", "INV-2");
    assert!(verify(&secret, &altered).is_err());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.count("/ok"), 1, "what was not asked for does not come");
    let [delivery] = &world.deliveries(&endpoint.endpoint_id).await[..] else { panic!("one delivery") };
    assert_eq!((delivery.status.as_str(), delivery.attempts), ("succeeded", 1));
}

#[tokio::test]
async fn the_log_shows_what_was_asked_and_answered() {
    let (world, receiver) = (world().await, Receiver::start());
    let (endpoint, _) = world.endpoint(&receiver.url("/fail-2"), &[]).await;
    world.publish_invoice_paid("INV-1").await;
    arrived(&receiver, "/fail-2", 3).await;
    world.settled(&endpoint.endpoint_id, "succeeded", 1).await;
    let id = world.deliveries(&endpoint.endpoint_id).await[0].delivery_id.clone();
    let log = world.delivery(&id).await;
    let statuses: Vec<_> = log.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [500, 500, 200]);
    let last = &log.attempts[2];
    assert_eq!((last.response_body.as_str(), last.response_headers["x-trace"].as_str()), ("heard", "7"));
    assert!(!last.response_headers.contains_key("set-cookie"));
    assert!(last.request_headers["webhook-signature"].starts_with("v1,"));
    assert_eq!(log.request_body, receiver.received("/fail-2")[0].body);
    let ids: Vec<_> =
        receiver.received("/fail-2").iter().map(|one| one.headers["webhook-id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "the same message keeps its id");
}

#[tokio::test]
async fn ten_thousand_for_a_slow_endpoint_delay_no_other() {
    let (world, receiver) = (world().await, Receiver::start());
    let (slow, _) = world.endpoint(&receiver.url("/slow"), &["user.*"]).await;
    world.endpoint(&receiver.url("/ok"), &["invoice.*"]).await;
    world.queue_many(&slow.endpoint_id, 10_000).await;
    arrived(&receiver, "/slow", 4).await;
    let mut worst = Duration::ZERO;
    for number in 0..20_usize {
        let began = Instant::now();
        world.publish_invoice_paid(&format!("INV-{number}")).await;
        arrived(&receiver, "/ok", number + 1).await;
        worst = worst.max(began.elapsed());
    }
    println!("slowest of 20 beside 10 000 waiting: {worst:?}");
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    assert!(receiver.count("/slow") <= 8, "the slow one gets no more than its concurrency at a time");
    let found = world.get_endpoint(&slow.endpoint_id).await;
    assert!(found.waiting > 9_900, "{}", found.waiting);
}

#[tokio::test]
async fn retry_after_is_honoured_and_rests_the_whole_lane() {
    let (world, receiver) = (world().await, Receiver::start());
    world.endpoint(&receiver.url("/busy"), &[]).await;
    world.publish_invoice_paid("INV-1").await;
    arrived(&receiver, "/busy", 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.publish_invoice_paid("INV-2").await;
    arrived(&receiver, "/busy", 2).await;
    let received = receiver.received("/busy");
    assert!(received[1].at.duration_since(received[0].at) >= Duration::from_millis(1_900));
}

#[tokio::test]
async fn redirects_are_not_followed_and_insides_are_not_reached() {
    let receiver = Receiver::start();
    let world = world_with(|config| config.webhooks.attempts_max = 1).await;
    let (elsewhere, _) = world.endpoint(&receiver.url("/elsewhere"), &[]).await;
    world.publish_invoice_paid("INV-1").await;
    world.settled(&elsewhere.endpoint_id, "failed", 1).await;
    assert_eq!((receiver.count("/elsewhere"), receiver.count("/ok")), (1, 0));

    // The operator closes the gap that development had: what is kept is checked again.
    let mut strict = world.config.clone();
    strict.webhooks.allowed_networks.clear();
    world.platform.tasks.drain().cancel();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let strict = world.at(strict).await;
    strict.update(&elsewhere, |update| update.url = "http://localhost:1/".to_owned()).await.unwrap();
    strict.publish_invoice_paid("INV-2").await;
    strict.settled(&elsewhere.endpoint_id, "failed", 2).await;
    let newest = &strict.deliveries(&elsewhere.endpoint_id).await[0];
    assert!(newest.last_error.contains("not allowed"), "{}", newest.last_error);
    let refused = strict.update(&elsewhere, |update| update.url = "http://127.0.0.1:1/".to_owned()).await;
    assert_eq!(refused.unwrap_err().violations()[0].code, "address_not_allowed");
}

#[tokio::test]
async fn secrets_rotate_with_an_overlap() {
    let (world, receiver) = (world().await, Receiver::start());
    let (endpoint, old) = world.endpoint(&receiver.url("/ok"), &[]).await;
    let new = world.rotate(&endpoint.endpoint_id, 3600).await;
    assert_ne!(old, new);
    world.publish_invoice_paid("INV-1").await;
    arrived(&receiver, "/ok", 1).await;
    let received = receiver.received("/ok").remove(0);
    verify(&old, &received).unwrap();
    verify(&new, &received).unwrap();
    let newest = world.rotate(&endpoint.endpoint_id, 0).await;
    world.publish_invoice_paid("INV-2").await;
    arrived(&receiver, "/ok", 2).await;
    let received = receiver.received("/ok").remove(1);
    verify(&newest, &received).unwrap();
    assert!(verify(&new, &received).is_err() && verify(&old, &received).is_err());
    let kept = world
        .count("SELECT count(*) FROM webhook_endpoints WHERE encode(sealed_secret, 'base64') LIKE 'whsec%'")
        .await;
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn an_endpoint_that_fails_for_too_long_is_disabled_with_notice_and_goes_on_when_mended() {
    let receiver = Receiver::start();
    let world = world_with(|config| {
        config.webhooks.disable_after_hours = 0;
        config.webhooks.attempts_max = 3;
    })
    .await;
    let (endpoint, _) = world.endpoint(&receiver.url("/broken"), &["invoice.*"]).await;
    world.publish_invoice_paid("INV-1").await;
    world.publish_invoice_paid("INV-2").await;
    eventually("disabled", || async { !world.get_endpoint(&endpoint.endpoint_id).await.enabled }).await;
    let found = world.get_endpoint(&endpoint.endpoint_id).await;
    assert_eq!(found.disabled_reason, "failing");
    eventually("a mail", || async { world.sink.taken_by("ops@shop.example").len() == 1 }).await;
    let told = world.count("SELECT count(*) FROM events WHERE name = 'webhook_endpoint.disabled'").await;
    assert_eq!(told, 1);
    let before = receiver.count("/broken");
    world.publish_invoice_paid("INV-3").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(receiver.count("/broken"), before, "a disabled endpoint is left alone");
    world.update(&endpoint, |update| update.url = receiver.url("/ok")).await.unwrap();
    let replayed = world.replay_after(&endpoint.endpoint_id, 0).await.unwrap();
    assert_eq!(replayed.deliveries, 3, "what was missed is kept");
    arrived(&receiver, "/ok", 3).await;
}

#[tokio::test]
async fn gone_disables_at_once() {
    let (world, receiver) = (world().await, Receiver::start());
    let (endpoint, _) = world.endpoint(&receiver.url("/gone"), &[]).await;
    world.publish_invoice_paid("INV-1").await;
    eventually("disabled", || async { !world.get_endpoint(&endpoint.endpoint_id).await.enabled }).await;
    assert_eq!(world.get_endpoint(&endpoint.endpoint_id).await.disabled_reason, "gone");
    assert_eq!(receiver.count("/gone"), 1);
}

#[tokio::test]
async fn a_replay_comes_in_order_and_one_can_be_sent_again() {
    let (world, receiver) = (world().await, Receiver::start());
    let (endpoint, _) = world.endpoint(&receiver.url("/ok"), &[]).await;
    for number in 0..30 {
        world.publish_invoice_paid(&format!("INV-{number}")).await;
    }
    arrived(&receiver, "/ok", 30).await;
    let mut live: Vec<_> = receiver.received("/ok").iter().map(Received::sequence).collect();
    live.sort_unstable();
    let answer = world.replay_after(&endpoint.endpoint_id, live[9]).await.unwrap();
    assert_eq!(answer.deliveries, 20);
    arrived(&receiver, "/ok", 50).await;
    let replayed: Vec<_> = receiver.received("/ok")[30..].iter().map(Received::sequence).collect();
    assert_eq!(replayed, live[10..], "in order");
    world.settled(&endpoint.endpoint_id, "succeeded", 50).await;

    let one = world.deliveries(&endpoint.endpoint_id).await.remove(0);
    let again = world.resend(OperationId::new(), &one.delivery_id).await;
    assert_eq!((again.message_id.as_str(), again.origin.as_str()), (one.message_id.as_str(), "resend"));
    arrived(&receiver, "/ok", 51).await;
}

#[tokio::test]
async fn an_example_can_be_sent_and_is_never_replayed() {
    let (world, receiver) = (world().await, Receiver::start());
    let (endpoint, secret) = world.endpoint(&receiver.url("/ok"), &["tokens.*"]).await;
    world.test_event(&endpoint.endpoint_id, "invoice.paid").await.unwrap();
    arrived(&receiver, "/ok", 1).await;
    verify(&secret, &receiver.received("/ok")[0]).unwrap();
    assert_eq!(world.replay_after(&endpoint.endpoint_id, 0).await.unwrap().deliveries, 0);
    let unknown = world.test_event(&endpoint.endpoint_id, "invoice.eaten").await.unwrap_err();
    assert_eq!(unknown.violations()[0].pointer, "/event_type");
}

#[tokio::test]
async fn a_rate_is_kept() {
    let (world, receiver) = (world().await, Receiver::start());
    let (endpoint, _) = world.endpoint(&receiver.url("/ok"), &[]).await;
    world.update(&endpoint, |update| update.rate_per_second = 5).await.unwrap();
    for number in 0..16 {
        world.publish_invoice_paid(&format!("INV-{number}")).await;
    }
    arrived(&receiver, "/ok", 16).await;
    let received = receiver.received("/ok");
    let took = received[15].at.duration_since(received[0].at);
    assert!(took >= Duration::from_millis(1_900), "16 at 5 per second took only {took:?}");
}

#[tokio::test]
async fn replicas_deliver_each_event_once_and_share_the_concurrency() {
    let (world, receiver) = (world().await, Receiver::start());
    let _second = world.replica().await;
    let _third = world.replica().await;
    let (endpoint, _) = world.endpoint(&receiver.url("/ok"), &[]).await;
    world.queue_many(&endpoint.endpoint_id, 200).await;
    world.settled(&endpoint.endpoint_id, "succeeded", 200).await;
    assert_eq!(receiver.count("/ok"), 200);
    let (slow, _) = world.endpoint(&receiver.url("/slow"), &[]).await;
    world.queue_many(&slow.endpoint_id, 50).await;
    arrived(&receiver, "/slow", 4).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(receiver.count("/slow"), 4, "concurrency is that of the endpoint, not of each replica");
}

#[tokio::test]
async fn a_delivery_whose_process_died_is_sent_again() {
    let (world, receiver) =
        (world_with(|config| config.webhooks.lease_seconds = 26).await, Receiver::start());
    let (endpoint, _) = world.endpoint(&receiver.url("/ok"), &[]).await;
    // As a process leaves it that is killed while it sends: the lease ends in a moment.
    world.queue_many(&endpoint.endpoint_id, 1).await;
    world.settled(&endpoint.endpoint_id, "succeeded", 1).await;
    for statement in [
        "UPDATE webhook_deliveries SET status = 'sending', ended_at = NULL, due_at = now() + interval '1 second'",
        "UPDATE webhook_lanes SET look_at = now() + interval '1 second'",
    ] {
        sqlx::query(statement).execute(&world.superuser).await.unwrap();
    }
    arrived(&receiver, "/ok", 2).await;
    world.settled(&endpoint.endpoint_id, "succeeded", 1).await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_place() {
    let world = world_with(|config| config.webhooks.endpoints_max = 2).await;
    let base = CreateWebhookEndpointRequest { url: "http://127.0.0.1:9/".to_owned(), ..Default::default() };
    let rows = [
        (CreateWebhookEndpointRequest { url: "nonsense".to_owned(), ..base.clone() }, "/url"),
        (CreateWebhookEndpointRequest { url: "http://10.0.0.1/".to_owned(), ..base.clone() }, "/url"),
        (
            CreateWebhookEndpointRequest { event_types: vec!["no.such".to_owned()], ..base.clone() },
            "/event_types/0",
        ),
        (CreateWebhookEndpointRequest { rate_per_second: -1, ..base.clone() }, "/rate_per_second"),
        (CreateWebhookEndpointRequest { concurrency: 65, ..base.clone() }, "/concurrency"),
        (CreateWebhookEndpointRequest { contact_email: "ops".to_owned(), ..base.clone() }, "/contact_email"),
    ];
    for (message, pointer) in rows {
        let fault = world.create(OperationId::new(), message).await.unwrap_err();
        assert_eq!(fault.violations()[0].pointer, pointer);
    }
    let calls = (0..8).map(|_| world.create(OperationId::new(), base.clone()));
    let made = futures::future::join_all(calls).await;
    assert_eq!(
        made.iter().filter(|answer| answer.is_ok()).count(),
        2,
        "no more than may be, even in parallel"
    );
}

#[tokio::test]
async fn a_repeated_call_is_the_same_endpoint_with_the_same_secret() {
    let world = world().await;
    let message =
        CreateWebhookEndpointRequest { url: "http://127.0.0.1:9/".to_owned(), ..Default::default() };
    let operation = OperationId::new();
    let one = world.create(operation, message.clone()).await.unwrap();
    let two = world.create(operation, message).await.unwrap();
    assert_eq!(one, two);
    let kept: i64 =
        world.count("SELECT count(*) FROM operations WHERE encode(answer, 'escape') LIKE '%whsec_%'").await;
    assert_eq!(kept, 0, "the secret is in no record of an operation");
}

#[tokio::test]
async fn an_endpoint_can_be_removed_while_it_is_delivered_to() {
    let (world, receiver) = (world().await, Receiver::start());
    let (endpoint, _) = world.endpoint(&receiver.url("/ok"), &[]).await;
    world.queue_many(&endpoint.endpoint_id, 500).await;
    arrived(&receiver, "/ok", 20).await;
    world.delete(&endpoint.endpoint_id).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM webhook_deliveries").await, 0);
    let (after, _) = world.endpoint(&receiver.url("/after"), &[]).await;
    world.publish_invoice_paid("INV-1").await;
    world.settled(&after.endpoint_id, "succeeded", 1).await;
}

#[tokio::test]
async fn a_stranger_finds_nothing() {
    let (world, receiver) = (world().await, Receiver::start());
    let (endpoint, _) = world.endpoint(&receiver.url("/ok"), &[]).await;
    world.publish_invoice_paid("INV-1").await;
    world.settled(&endpoint.endpoint_id, "succeeded", 1).await;
    let delivery = world.deliveries(&endpoint.endpoint_id).await.remove(0);
    let stranger = World::stranger();
    for fault in world.pry(&stranger, &endpoint.endpoint_id, &delivery.delivery_id).await {
        assert_eq!(fault.code(), fault::Code::NotFound, "{fault}");
    }
}
