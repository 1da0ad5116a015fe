//! A restored dump whose transaction ids are ahead of the cluster's counter.

use eventstore::repair_epoch;
use eventstore::testing::TestStore;
use ids::TenantId;
use kernel::Position;

use crate::fixtures::{context, database, filled, new_uuid};

async fn record(database: &TestStore) -> Position {
    let mut unit = database.store.begin(&context(TenantId::new())).await.unwrap();
    unit.append_fact("bundle", new_uuid(), filled(1)).await.unwrap();
    unit.commit().await.unwrap()
}

async fn repair(database: &TestStore) -> bool {
    repair_epoch(&mut database.superuser.acquire().await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn after_a_restore_old_events_can_be_read_and_new_ones_sort_behind_them() {
    let database = database().await;
    record(&database).await;
    // As if restored from a cluster that had counted a thousand million further.
    sqlx::query("UPDATE events SET transaction = transaction + 1000000000")
        .execute(&database.superuser)
        .await
        .unwrap();
    assert_eq!(database.store.events_after(Position::START, 10).await.unwrap(), [], "the fault");

    assert!(repair(&database).await);
    let old = database.store.events_after(Position::START, 10).await.unwrap();
    assert_eq!(old.len(), 1);
    let new = record(&database).await;
    assert!(new > old[0].position);
    assert!(!repair(&database).await, "once is enough");
    assert!(record(&database).await > new);
}

#[tokio::test]
async fn a_sound_store_is_left_alone() {
    let database = database().await;
    assert!(!repair(&database).await, "empty");
    record(&database).await;
    assert!(!repair(&database).await, "with events");
    let shift: i64 =
        sqlx::query_scalar("SELECT shift FROM event_epoch").fetch_one(&database.superuser).await.unwrap();
    assert_eq!(shift, 0);
}
