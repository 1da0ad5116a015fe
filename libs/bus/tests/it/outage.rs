//! The broker is killed; a consumer is stopped in the middle. Nothing is lost, nothing counts twice.

use std::time::Duration;

use ids::TenantId;
use tokio::time::sleep;

use crate::fixtures::{Notes, World, new_uuid, until};

const PATIENCE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_and_doubles_nothing() {
    let mut world = World::new().await;
    let (tenant, nouns) = (TenantId::new(), (0..20).map(|_| new_uuid()).collect::<Vec<_>>());
    world.relay();
    world.consume(Notes::default());
    world.pay(tenant, &nouns, 1_000).await;
    until(PATIENCE, || async { world.noted().await > 100 }).await;
    world.nats.kill_9().unwrap();
    world.pay(tenant, &nouns, 500).await;
    sleep(Duration::from_secs(2)).await;
    world.nats.start_again().unwrap();
    world.pay(tenant, &nouns, 500).await;
    until(PATIENCE, || async { world.noted().await >= 2_000 }).await;
    sleep(Duration::from_millis(500)).await;
    world.stop().await;
    assert_eq!(world.noted().await, 2_000);
    let expected: Vec<i64> = (1..=1_000).chain(1..=500).chain(1..=500).collect();
    for (place, noun) in nouns.iter().enumerate() {
        let numbers = &world.notes().await[&noun.to_string()];
        let of_noun = |number: &i64| usize::try_from(number - 1).unwrap() % nouns.len() == place;
        let expected: Vec<i64> = expected.iter().copied().filter(of_noun).collect();
        assert_eq!(*numbers, expected, "in order within a noun");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_stops_in_the_middle_goes_on_in_order() {
    let mut world = World::new().await;
    let nouns: Vec<_> = (0..5).map(|_| new_uuid()).collect();
    world.relay();
    world.pay(TenantId::new(), &nouns, 1_000).await;
    until(PATIENCE, || async { world.messages().await == 1_000 }).await;
    for some in [100, 300, 600] {
        world.consume(Notes::default());
        until(PATIENCE, || async { world.noted().await >= some }).await;
        world.stop().await;
    }
    world.consume(Notes::default());
    until(PATIENCE, || async { world.noted().await >= 1_000 }).await;
    world.stop().await;
    let notes = world.notes().await;
    assert_eq!(notes.values().map(Vec::len).sum::<usize>(), 1_000);
    assert!(notes.values().all(|numbers| numbers.is_sorted()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_loses_and_doubles_nothing() {
    let mut server = servers::Postgres::ephemeral().unwrap();
    let mut world = World::on(&server.url()).await;
    let (tenant, nouns) = (TenantId::new(), (0..20).map(|_| new_uuid()).collect::<Vec<_>>());
    world.relay();
    world.consume(Notes::default());
    world.pay(tenant, &nouns, 2_000).await;
    until(PATIENCE, || async { world.noted().await > 100 }).await;
    server.kill_9().unwrap();
    sleep(Duration::from_secs(1)).await;
    server.start_again().unwrap();
    until(PATIENCE, || async { world.noted().await >= 2_000 }).await;
    sleep(Duration::from_millis(300)).await;
    world.stop().await;
    until(PATIENCE, || async { world.noted().await == 2_000 }).await;
    assert!(world.notes().await.values().all(|numbers| numbers.is_sorted() && numbers.len() == 100));
}
