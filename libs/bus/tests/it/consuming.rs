//! From the broker to an effect, once.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bus::replay;
use eventstore::open_dead_letters;
use ids::TenantId;

use crate::fixtures::{Notes, World, new_uuid, published, until};

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_has_its_effect_once_and_in_order_per_noun() {
    let mut world = World::new().await;
    let nouns: Vec<_> = (0..40).map(|_| new_uuid()).collect();
    world.relay();
    world.pay(TenantId::new(), &nouns, 2_000).await;
    until(PATIENCE, || async { world.messages().await == 2_000 }).await;
    let started = Instant::now();
    world.consume(Notes::default());
    until(PATIENCE, || async { world.noted().await >= 2_000 }).await;
    println!("consumer: {:.0} events/s", 2_000.0 / started.elapsed().as_secs_f64());
    world.stop().await;
    let notes = world.notes().await;
    assert_eq!(notes.len(), 40);
    for numbers in notes.values() {
        assert_eq!(numbers.len(), 50);
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_have_no_second_effect() {
    let mut world = World::new().await;
    world.pay(TenantId::new(), &[new_uuid(), new_uuid()], 20).await;
    world.bus.ensure_stream().await.unwrap();
    // Without a message id the broker does not know the duplicates; and in reverse, for bad measure.
    let read = || async { world.store().events_after(kernel::Position::START, 100).await.unwrap() };
    until(PATIENCE, || async { read().await.len() == 20 }).await;
    let mut stored = read().await;
    stored.extend(stored.clone().into_iter().rev());
    for event in &stored {
        for outbound in published(event).unwrap() {
            let payload = outbound.cloud_event().to_string().into();
            world.bus.client().publish(outbound.subject(), payload).await.unwrap();
        }
    }
    world.bus.client().flush().await.unwrap();
    until(PATIENCE, || async { world.messages().await == 40 }).await;
    world.consume(Notes::default());
    until(PATIENCE, || async { world.noted().await >= 20 }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.stop().await;
    assert_eq!(world.noted().await, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_event_is_buried_and_the_rest_goes_on() {
    let mut world = World::new().await;
    let (tenant, nouns) = (TenantId::new(), [new_uuid(), new_uuid()]);
    world.relay();
    world.consume(Notes { poison: Some(3), ..Notes::default() });
    let started = Instant::now();
    world.pay(tenant, &nouns, 100).await;
    until(PATIENCE, || async { world.noted().await >= 99 }).await;
    assert!(started.elapsed() < Duration::from_secs(10), "others were not blocked for long");
    world.stop().await;
    assert_eq!(world.noted().await, 99, "the failed attempts left nothing");

    let mut worker = world.store().begin_worker(None).await.unwrap();
    let letters = open_dead_letters(worker.connection(), Some("notes"), 10).await.unwrap();
    worker.rollback().await.unwrap();
    assert_eq!((letters.len(), letters[0].attempts, letters[0].tenant), (1, 3, tenant));
    assert!(letters[0].error.contains("poisonous"), "{}", letters[0].error);

    let still_sick = Notes { poison: Some(3), ..Notes::default() };
    assert!(replay(world.store(), &still_sick, letters[0].id).await.is_err());
    assert!(replay(world.store(), &Notes::default(), letters[0].id).await.unwrap());
    assert!(!replay(world.store(), &Notes::default(), letters[0].id).await.unwrap(), "once");
    assert_eq!(world.noted().await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_fault_is_tried_again_in_place() {
    let mut world = World::new().await;
    let consumer = Notes::default();
    consumer.flaky.store(6, Ordering::SeqCst);
    world.relay();
    world.consume(consumer);
    world.pay(TenantId::new(), &[new_uuid()], 5).await;
    until(PATIENCE, || async { world.noted().await >= 5 }).await;
    world.stop().await;
    let notes = world.notes().await.into_values().next().unwrap();
    assert_eq!(notes, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_event_is_buried() {
    let mut world = World::new().await;
    let tenant = TenantId::new();
    world.bus.ensure_stream().await.unwrap();
    let subject = format!("evt.{tenant}.invoicing.invoice.paid.v1");
    world.bus.client().publish(subject, "garbage".into()).await.unwrap();
    world.consume(Notes::default());
    let letters = || async {
        let mut worker = world.store().begin_worker(None).await.unwrap();
        let letters = open_dead_letters(worker.connection(), Some("notes"), 10).await.unwrap();
        worker.rollback().await.unwrap();
        letters
    };
    until(PATIENCE, || async { letters().await.len() == 1 }).await;
    assert_eq!(letters().await[0].tenant, tenant);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_unit_of_work_names_the_event_as_its_cause() {
    let mut world = World::new().await;
    let consumer = Notes::default();
    let seen = consumer.seen.clone();
    world.relay();
    world.consume(consumer);
    world.pay(TenantId::new(), &[new_uuid()], 1).await;
    until(PATIENCE, || async { world.noted().await == 1 }).await;
    world.stop().await;
    let stored = world.store().events_after(kernel::Position::START, 1).await.unwrap().remove(0);
    let event = seen.lock().unwrap()[0].clone();
    assert_eq!(event.id, stored.event_id);
    assert_eq!(event.correlation_id, stored.metadata.correlation_id);
    assert_eq!(event.traceparent, stored.metadata.traceparent);
}
