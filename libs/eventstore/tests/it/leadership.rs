//! One replica at a time, and its cursor.

use std::time::Duration;

use kernel::Position;
use tokio::time::sleep;

use crate::fixtures::database;

#[tokio::test]
async fn only_one_replica_leads_and_the_next_takes_over() {
    let database = database().await;
    let mut first = database.store.leadership("relay");
    let mut second = database.replica().leadership("relay");
    assert!(first.acquire().await.unwrap());
    assert!(!second.acquire().await.unwrap());
    assert!(database.store.leadership("other").acquire().await.unwrap(), "by name");
    let position = Position { transaction: 7, sequence: 9 };
    first.advance(position).await.unwrap();
    first.resign().await;
    assert!(second.acquire().await.unwrap());
    assert_eq!(second.cursor().await.unwrap(), position);
}

#[tokio::test]
async fn a_lost_connection_ends_the_leadership_and_protects_the_cursor() {
    let database = database().await;
    let mut first = database.store.leadership("relay");
    assert!(first.acquire().await.unwrap());
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    .execute(&database.superuser)
    .await
    .unwrap();
    let mut second = database.replica().leadership("relay");
    while !second.acquire().await.unwrap() {
        sleep(Duration::from_millis(10)).await;
    }
    let fault = first.advance(Position { transaction: 1, sequence: 1 }).await.unwrap_err();
    assert!(fault.is_transient(), "{fault:?}");
    assert!(!first.is_held() && !first.acquire().await.unwrap());
    assert_eq!(second.cursor().await.unwrap(), Position::START, "the loser could not move it");
}
