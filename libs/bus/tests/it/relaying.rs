//! From the event table to the broker.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use bus::{CloudEvent, republish, run_relay};
use futures::StreamExt as _;
use ids::TenantId;

use crate::fixtures::{TRACEPARENT, World, new_uuid, until};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_client_sees_cloud_events_with_trace_and_id() {
    let mut world = World::new().await;
    world.bus.ensure_stream().await.unwrap();
    let mut plain = world.bus.client().subscribe("evt.>").await.unwrap();
    world.bus.client().flush().await.unwrap();
    world.relay();
    let (tenant, invoice) = (TenantId::new(), new_uuid());
    world.pay(tenant, &[invoice], 1).await;
    let message = tokio::time::timeout(PATIENCE, plain.next()).await.unwrap().unwrap();
    assert_eq!(message.subject.as_str(), format!("evt.{tenant}.invoicing.invoice.paid.v1"));
    let headers = message.headers.unwrap();
    assert_eq!(headers.get("traceparent").unwrap().as_str(), TRACEPARENT);
    let event = CloudEvent::parse(&message.payload).unwrap();
    assert_eq!(headers.get("Nats-Msg-Id").unwrap().as_str(), event.id.to_string());
    assert_eq!((event.r#type.as_str(), event.subject), ("invoice.paid", invoice.to_string()));
    assert_eq!((event.tenant, event.traceparent.as_deref()), (tenant, Some(TRACEPARENT)));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_is_quick_and_goes_on_where_it_stopped() {
    let mut world = World::new().await;
    let nouns: Vec<_> = (0..50).map(|_| new_uuid()).collect();
    world.pay(TenantId::new(), &nouns, 3_000).await;
    let started = Instant::now();
    world.relay();
    until(PATIENCE, || async { world.messages().await == 3_000 }).await;
    println!("relay: {:.0} events/s", 3_000.0 / started.elapsed().as_secs_f64());
    world.stop().await;
    world.pay(TenantId::new(), &nouns, 10).await;
    world.relay();
    until(PATIENCE, || async { world.messages().await == 3_010 }).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_relays_one_publishes_and_the_other_takes_over() {
    let mut world = World::new().await;
    world.relay();
    until(PATIENCE, || async { world.messages().await == 0 && world.bus.is_connected() }).await;
    let drain = tokio_util::sync::CancellationToken::new();
    let second = bus::EventOutbox::new(world.database.replica(), crate::fixtures::published);
    let standby = run_relay(world.bus.clone(), second, drain.clone());
    let watched = async {
        world.pay(TenantId::new(), &[new_uuid()], 5).await;
        until(PATIENCE, || async { world.messages().await == 5 }).await;
        world.stop().await;
        world.pay(TenantId::new(), &[new_uuid()], 5).await;
        until(PATIENCE, || async { world.messages().await == 10 }).await;
        drain.cancel();
    };
    let (relayed, ()) = futures::future::join(standby, watched).await;
    relayed.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_stream_is_filled_again_from_the_store() {
    let mut world = World::new().await;
    world.relay();
    world.pay(TenantId::new(), &[new_uuid()], 40).await;
    until(PATIENCE, || async { world.messages().await == 40 }).await;
    let jetstream = jetstream::new(world.bus.client().clone());
    jetstream.delete_stream(world.bus.stream_name()).await.unwrap();
    let published = republish(&world.bus, &mut world.outbox(), "").await.unwrap();
    assert_eq!((published, world.messages().await), (40, 40));
    world.pay(TenantId::new(), &[new_uuid()], 2).await;
    until(PATIENCE, || async { world.messages().await == 42 }).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_translated_stops_the_relay_before_it() {
    let world = World::new().await;
    world.pay(TenantId::new(), &[new_uuid()], 3).await;
    sqlx::query("UPDATE events SET name = 'invoice.unheard_of' WHERE revision = 2")
        .execute(&world.database.superuser)
        .await
        .unwrap();
    let relayed = run_relay(world.bus.clone(), world.outbox(), world.drain.clone());
    let fault = tokio::time::timeout(PATIENCE, relayed).await.unwrap().unwrap_err();
    assert!(!fault.is_transient());
}
