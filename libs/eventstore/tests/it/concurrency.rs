//! Optimistic concurrency with real parallel transactions.

use eventstore::retry_stale;
use fault::Code;
use futures::future::join_all;
use ids::TenantId;
use kernel::Position;
use sqlx::Executor as _;

use crate::fixtures::{Jar, context, database, filled, new_uuid};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_holds_under_parallel_commands() {
    let database = database().await;
    let (store, tenant, jar) = (&database.store, TenantId::new(), new_uuid());
    let fill = || async {
        let context = context(tenant);
        let mut unit = store.begin(&context).await?;
        let mut loaded = unit.load::<Jar>(jar).await?;
        let decided = kernel::Aggregate::decide(&loaded.state, 1, context.at);
        let Ok(events) = decided else { return Ok(false) };
        unit.append(&mut loaded, events).await?;
        unit.commit().await.map(|_| true)
    };
    let outcomes = join_all((0..24).map(|_| retry_stale(100, fill))).await;
    let accepted = outcomes.into_iter().map(Result::unwrap).filter(|accepted| *accepted).count();
    assert_eq!(accepted, 10, "the jar holds ten");
    assert_eq!(store.load::<Jar>(tenant, jar).await.unwrap().state.content, 10);
}

#[tokio::test]
async fn the_second_of_two_writers_is_told_that_it_is_stale() {
    let database = database().await;
    let (context, jar) = (context(TenantId::new()), new_uuid());
    let mut first = database.store.begin(&context).await.unwrap();
    let mut second = database.store.begin(&context).await.unwrap();
    let mut mine = first.load::<Jar>(jar).await.unwrap();
    let mut yours = second.load::<Jar>(jar).await.unwrap();
    first.append(&mut mine, vec![filled(1)]).await.unwrap();
    first.commit().await.unwrap();
    let fault = second.append(&mut yours, vec![filled(2)]).await.unwrap_err();
    assert_eq!(fault.code(), Code::StaleRevision);
    assert_eq!(second.commit().await.unwrap_err().code(), Code::Internal, "nothing is lost silently");
}

#[tokio::test]
async fn facts_without_an_aggregate_take_turns() {
    let database = database().await;
    let (store, tenant, stream) = (&database.store, TenantId::new(), new_uuid());
    let record = || async {
        let mut unit = store.begin(&context(tenant)).await.unwrap();
        let stored = unit.append_fact("bundle", stream, filled(1)).await.unwrap();
        let position = unit.commit().await.unwrap();
        assert_eq!(position, stored.position);
        stored.revision
    };
    let mut revisions = join_all((0..20).map(|_| record())).await;
    revisions.sort_unstable();
    assert_eq!(revisions, (1..=20).collect::<Vec<i64>>());
}

#[tokio::test]
async fn events_read_model_and_rollback_are_one() {
    let database = database().await;
    let (context, jar) = (context(TenantId::new()), new_uuid());
    let mut unit = database.store.begin(&context).await.unwrap();
    let mut loaded = unit.load::<Jar>(jar).await.unwrap();
    unit.append(&mut loaded, vec![filled(1)]).await.unwrap();
    unit.connection().execute("INSERT INTO notes VALUES (1, 'one')").await.unwrap();
    drop(unit);
    assert_eq!(database.store.events_after(Position::START, 10).await.unwrap(), []);
    let notes: i64 =
        sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(&database.superuser).await.unwrap();
    assert_eq!(notes, 0);
}

#[tokio::test]
async fn a_commit_of_this_process_wakes_readers() {
    let database = database().await;
    let woken = database.store.appended();
    let mut unit = database.store.begin(&context(TenantId::new())).await.unwrap();
    unit.append_fact("bundle", new_uuid(), filled(1)).await.unwrap();
    unit.commit().await.unwrap();
    tokio::time::timeout(std::time::Duration::from_millis(50), woken).await.unwrap();
}
