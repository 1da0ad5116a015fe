//! One operation id, one effect, one answer.

use eventstore::{EventStore, body_hash, retry_stale};
use fault::Code;
use futures::future::join_all;
use ids::TenantId;
use jiff::SignedDuration;
use uuid::Uuid;

use crate::fixtures::{Jar, context, database, filled, new_uuid};

/// Fills a jar and answers its content; any prost message will do for the answer.
async fn fill(
    store: &EventStore,
    context: &eventstore::CommandContext,
    jar: Uuid,
    by: i64,
) -> fault::Result<i64> {
    let hash = body_hash("fill", &by);
    let mut unit = store.begin(context).await?;
    if let Some(answer) = unit.claim::<i64>(&hash).await? {
        return Ok(answer);
    }
    let mut loaded = unit.load::<Jar>(jar).await?;
    unit.append(&mut loaded, vec![filled(by)]).await?;
    unit.remember(&hash, &loaded.state.content).await?;
    unit.commit().await?;
    Ok(loaded.state.content)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_parallel_calls_of_one_operation_have_one_effect_and_one_answer() {
    let database = database().await;
    let (store, context, jar) = (&database.store, context(TenantId::new()), new_uuid());
    let calls = (0..50).map(|_| retry_stale(3, || fill(store, &context, jar, 3)));
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap(), 3);
    }
    let loaded = store.load::<Jar>(context.tenant, jar).await.unwrap();
    assert_eq!((loaded.state.content, loaded.revision), (3, 1));
    assert_eq!(fill(store, &context, jar, 3).await.unwrap(), 3, "also later");
}

#[tokio::test]
async fn another_body_under_the_same_id_is_refused() {
    let database = database().await;
    let (context, jar) = (context(TenantId::new()), new_uuid());
    fill(&database.store, &context, jar, 3).await.unwrap();
    let fault = fill(&database.store, &context, jar, 4).await.unwrap_err();
    assert_eq!((fault.code(), fault.reason()), (Code::OperationReused, "operation_id_reused"));
}

#[tokio::test]
async fn the_same_id_of_another_tenant_is_another_operation() {
    let database = database().await;
    let ours = context(TenantId::new());
    let theirs = eventstore::CommandContext { tenant: TenantId::new(), ..ours.clone() };
    assert_eq!(fill(&database.store, &ours, new_uuid(), 3).await.unwrap(), 3);
    assert_eq!(fill(&database.store, &theirs, new_uuid(), 4).await.unwrap(), 4);
}

#[tokio::test]
async fn an_operation_that_rolled_back_can_be_tried_again() {
    let database = database().await;
    let (context, jar) = (context(TenantId::new()), new_uuid());
    let mut unit = database.store.begin(&context).await.unwrap();
    assert_eq!(unit.claim::<i64>(&body_hash("fill", &2_i64)).await.unwrap(), None);
    drop(unit);
    assert_eq!(fill(&database.store, &context, jar, 2).await.unwrap(), 2);
}

#[tokio::test]
async fn a_command_of_two_commits_may_go_on_after_the_first() {
    let database = database().await;
    let (context, hash) = (context(TenantId::new()), body_hash("fill", &2_i64));
    let mut first = database.store.begin(&context).await.unwrap();
    assert_eq!(first.claim::<i64>(&hash).await.unwrap(), None);
    first.commit().await.unwrap();
    let mut second = database.store.begin(&context).await.unwrap();
    assert_eq!(second.claim::<i64>(&hash).await.unwrap(), None, "no answer yet: go on");
    second.remember(&hash, &2_i64).await.unwrap();
    second.commit().await.unwrap();
    let mut third = database.store.begin(&context).await.unwrap();
    assert_eq!(third.claim::<i64>(&hash).await.unwrap(), Some(2));
}

#[tokio::test]
async fn old_records_are_forgotten_and_young_ones_kept() {
    let database = database().await;
    let (old, jar) = (context(TenantId::new()), new_uuid());
    let young =
        eventstore::CommandContext { at: old.at + SignedDuration::from_hours(48), ..context(old.tenant) };
    fill(&database.store, &old, jar, 3).await.unwrap();
    fill(&database.store, &young, jar, 4).await.unwrap();
    let gone = database.store.prune(old.at + SignedDuration::from_hours(1), 100).await.unwrap();
    assert_eq!(gone, 1);
    assert_eq!(fill(&database.store, &young, jar, 4).await.unwrap(), 7, "still remembered");
}

#[tokio::test]
async fn an_aggregate_can_be_read_as_it_was() {
    let database = database().await;
    let (first, jar) = (context(TenantId::new()), new_uuid());
    let later =
        eventstore::CommandContext { at: first.at + SignedDuration::from_hours(2), ..context(first.tenant) };
    fill(&database.store, &first, jar, 3).await.unwrap();
    fill(&database.store, &later, jar, 4).await.unwrap();
    for (hours, content) in [(-1, 0), (0, 3), (1, 3), (2, 7)] {
        let at = first.at + SignedDuration::from_hours(hours);
        let loaded = database.store.load_as_of::<Jar>(first.tenant, jar, at).await.unwrap();
        assert_eq!(loaded.state.content, content, "{hours} hours later");
    }
}
