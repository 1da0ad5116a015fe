//! Read models: each event once, stopped by what cannot be read, rebuilt at will.

use std::time::Duration;

use kernel::StoredEvent;
use projection::{Projection, rebuild, run_projection, wait_for};
use sqlx::{Executor as _, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::fixtures::{Paid, PaymentEvent, World, new_uuid, until};

const SUM: &str = "SELECT sum(sum)::bigint FROM sums";

struct Sums;

impl Projection for Sums {
    const NAME: &'static str = "sums";

    async fn apply(&mut self, connection: &mut PgConnection, event: &StoredEvent) -> fault::Result<()> {
        let PaymentEvent::Paid(Paid { number }) = event.decode().map_err(eventstore::unknown_event)?;
        sqlx::query(
            "INSERT INTO sums VALUES ($1, $2, $2) ON CONFLICT (noun) \
             DO UPDATE SET sum = sums.sum + excluded.sum, last = excluded.last",
        )
        .bind(event.stream)
        .bind(number)
        .execute(connection)
        .await
        .map_err(eventstore::storage)?;
        Ok(())
    }

    async fn reset(&mut self, connection: &mut PgConnection) -> fault::Result<()> {
        connection.execute("DELETE FROM sums").await.map(drop).map_err(eventstore::storage)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_count_each_event_once_through_a_lost_connection() {
    let mut world = World::new().await;
    world.run(run_projection(world.store(), Sums, world.drain.clone()));
    world.run(run_projection(world.database.replica(), Sums, world.drain.clone()));
    let nouns = [new_uuid(), new_uuid(), new_uuid()];
    for _ in 0..5 {
        world.pay(&nouns, 100).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .execute(&world.database.superuser)
        .await
        .unwrap();
    }
    until(|| async { world.count(SUM).await == 5 * 5_050 }).await;
    for end in world.stop().await {
        end.unwrap();
    }
    assert_eq!(world.count(SUM).await, 5 * 5_050);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_event_stops_the_projection_before_it_until_it_can_be_read() {
    let mut world = World::new().await;
    world.pay(&[new_uuid()], 10).await;
    world.spoil(4).await;
    let stopped = run_projection(world.store(), Sums, world.drain.clone());
    let fault = tokio::time::timeout(Duration::from_secs(20), stopped).await.unwrap().unwrap_err();
    assert_eq!(fault.code(), fault::Code::Internal);
    assert_eq!(world.count(SUM).await, 0, "the batch is one transaction");
    world.unspoil(4).await;
    world.run(run_projection(world.store(), Sums, world.drain.clone()));
    until(|| async { world.count(SUM).await == 55 }).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_gives_what_live_gave() {
    let mut world = World::new().await;
    world.run(run_projection(world.store(), Sums, world.drain.clone()));
    world.pay(&[new_uuid(), new_uuid()], 1_200).await;
    until(|| async { world.count(SUM).await == 720_600 }).await;
    world.stop().await;
    sqlx::query("UPDATE sums SET sum = 0").execute(&world.database.superuser).await.unwrap();
    let events = rebuild(&world.store(), &mut Sums, CancellationToken::new()).await.unwrap();
    assert_eq!((events, world.count(SUM).await), (1_200, 720_600));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_can_wait_for_a_position() {
    let mut world = World::new().await;
    world.pay(&[new_uuid()], 1).await;
    let store = world.store();
    let events = || async { store.events_after(kernel::Position::START, 1).await.unwrap() };
    // Transactions of other tests on the same server may hold the horizon for a moment.
    until(|| async { !events().await.is_empty() }).await;
    let position = events().await[0].position;
    let short = Duration::from_millis(50);
    let late = wait_for(&store, "sums", position, short).await.unwrap_err();
    assert_eq!(late.code(), fault::Code::Timeout);
    world.run(run_projection(world.store(), Sums, world.drain.clone()));
    wait_for(&store, "sums", position, Duration::from_secs(20)).await.unwrap();
    assert_eq!(world.count(SUM).await, 1);
    world.stop().await;
}
