//! Every journal under the same suite.
#![allow(clippy::unwrap_used)]

use journal::conformance::{all, an_append_is_settled_by_repeating_it, lease};
use journal::{Chain, Journal as _, JournalError, MemoryJournal, Mishap, PostgresJournal};
use sqlx::migrate::Migrator;

async fn database() -> (testkit::TestDatabase, PostgresJournal) {
    let migrations = Migrator::new(std::path::Path::new("../../migrations/wallet")).await.unwrap();
    let database = testkit::database("wallet", migrations).await;
    let options = (*database.pool("wallet").connect_options()).clone();
    (database, PostgresJournal::new(options, "vbwd_wallet_worker"))
}

#[tokio::test]
async fn memory_conforms() {
    all(&MemoryJournal::default()).await;
}

#[tokio::test]
async fn postgres_conforms() {
    let (_database, journal) = database().await;
    all(&journal).await;
}

#[tokio::test]
async fn mishaps_leave_the_outcome_unknown() {
    let journal = MemoryJournal::default();
    let lease = lease(&journal, 0, "a").await;
    let row = Chain::start(0).seal(lease.epoch, b"one".to_vec());
    journal.order([Mishap::Lost, Mishap::AnswerLost]);
    for appended in [0, 1] {
        let unknown = journal.append(lease, &row).await.unwrap_err();
        assert!(matches!(unknown, JournalError::Unavailable(_)), "{unknown:?}");
        assert_eq!(journal.read(0, 0, 9).await.unwrap().len(), appended);
    }
}

#[tokio::test]
async fn an_append_to_memory_is_settled_whatever_became_of_the_first_attempt() {
    let journal = MemoryJournal::default();
    let lease = lease(&journal, 0, "a").await;
    let mut chain = Chain::start(0);
    for mishap in [Mishap::Lost, Mishap::AnswerLost] {
        journal.order([mishap]);
        an_append_is_settled_by_repeating_it(&journal, lease, &mut chain, &format!("{mishap:?}")).await;
    }
}

/// The table is locked for longer than an append waits: the first attempt goes in behind its back.
#[tokio::test]
async fn an_append_to_postgres_that_goes_in_after_its_time_is_settled() {
    let (database, journal) = database().await;
    let lease = lease(&journal, 0, "a").await;
    let mut chain = Chain::start(0);
    journal.append(lease, &chain.seal(lease.epoch, b"one".to_vec())).await.unwrap();
    let mut locked = database.superuser("wallet").begin().await.unwrap();
    sqlx::query("LOCK TABLE journal IN EXCLUSIVE MODE").execute(&mut *locked).await.unwrap();
    let unlocking = async {
        tokio::time::sleep(std::time::Duration::from_millis(5_200)).await;
        locked.commit().await.unwrap();
    };
    let settling = an_append_is_settled_by_repeating_it(&journal, lease, &mut chain, "a lock");
    tokio::join!(settling, unlocking);
}

#[tokio::test]
async fn the_login_role_sees_no_journal_and_nobody_changes_it() {
    let (database, journal) = database().await;
    let lease = lease(&journal, 0, "a").await;
    journal.append(lease, &Chain::start(0).seal(lease.epoch, b"one".to_vec())).await.unwrap();
    let login = database.pool("wallet");
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM journal").fetch_one(&login).await.unwrap();
    assert_eq!(seen, 0);
    for change in ["UPDATE journal SET epoch = 2", "DELETE FROM journal"] {
        assert!(sqlx::query(change).execute(&login).await.is_err(), "{change}");
    }
}

#[tokio::test]
async fn a_takeover_waits_for_the_append_in_flight() {
    let (database, journal) = database().await;
    let stale = lease(&journal, 0, "a").await;
    let other = database.superuser("wallet");
    let mut append = other.begin().await.unwrap();
    sqlx::query("SELECT FROM journal_leases WHERE partition = 0 FOR SHARE")
        .execute(&mut *append)
        .await
        .unwrap();
    let takeover = lease(&journal, 0, "a");
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), takeover).await;
    assert!(early.is_err(), "the takeover must wait");
    append.commit().await.unwrap();
    let present = lease(&journal, 0, "a").await;
    let refused = journal.append(stale, &Chain::start(0).seal(1, b"late".to_vec())).await.unwrap_err();
    assert!(present.epoch > stale.epoch && matches!(refused, JournalError::Fenced { .. }), "{refused:?}");
}
