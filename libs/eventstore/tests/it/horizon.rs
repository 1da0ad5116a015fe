//! Readers see no gaps: every committed event exactly once and in order, whatever writers do.

use std::collections::{BTreeSet, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use eventstore::EventStore;
use eventstore::testing::TestStore;
use futures::future::{join, join_all, join3};
use ids::{EventId, TenantId};
use kernel::{Position, StoredEvent};
use rand::RngExt as _;
use tokio::time::sleep;
use uuid::Uuid;

use crate::fixtures::{context, database, filled, new_uuid};

const WRITERS: usize = 12;
const COMMANDS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tailing_reader_sees_every_committed_event_once_and_in_order() {
    let database = database().await;
    let committed = Mutex::new(HashSet::new());
    let running = AtomicUsize::new(WRITERS);
    let writers = join_all((0..WRITERS).map(|_| async {
        write(&database.store, &committed).await;
        running.fetch_sub(1, Ordering::SeqCst);
    }));
    let careful = tail(&database.store, &running, &committed);
    let (_, read, naive) = join3(writers, careful, naive_tail(&database, &running)).await;

    let committed = committed.into_inner().unwrap();
    assert!(read.windows(2).all(|pair| pair[0].position < pair[1].position), "in order");
    assert_eq!(read.len(), committed.len(), "each once");
    assert_eq!(read.iter().map(|event| event.event_id).collect::<HashSet<_>>(), committed);
    assert!(revisions_ascend(&read), "also within each stream");
    println!(
        "committed {}, read {}; a reader by sequence alone missed {}",
        committed.len(),
        read.len(),
        committed.len() - naive.len()
    );
}

/// Commands that begin, write, dawdle, and commit or give up.
async fn write(store: &EventStore, committed: &Mutex<HashSet<EventId>>) {
    let (tenant, stream) = (TenantId::new(), new_uuid());
    for _ in 0..COMMANDS {
        let mut unit = store.begin(&context(tenant)).await.unwrap();
        let mut written = Vec::new();
        for _ in 0..rand::rng().random_range(1..4) {
            written.push(unit.append_fact("bundle", stream, filled(1)).await.unwrap().event_id);
            sleep(Duration::from_millis(rand::rng().random_range(0..12))).await;
        }
        if rand::rng().random_bool(0.3) {
            unit.rollback().await.unwrap();
        } else {
            unit.commit().await.unwrap();
            committed.lock().unwrap().extend(written);
        }
    }
}

/// Reads until everything committed has come (or will not come any more: a gap), and a little on.
async fn tail(
    store: &EventStore,
    running: &AtomicUsize,
    committed: &Mutex<HashSet<EventId>>,
) -> Vec<StoredEvent> {
    let mut read: Vec<StoredEvent> = Vec::new();
    let mut quiet_since = Instant::now();
    loop {
        let position = read.last().map_or(Position::START, |event| event.position);
        let events = store.events_after(position, 7).await.unwrap();
        if !events.is_empty() {
            quiet_since = Instant::now();
        }
        read.extend(events);
        let complete = read.len() >= committed.lock().unwrap().len();
        // Transactions of other tests on the same server may hold the horizon for a while.
        let patience = Duration::from_millis(if complete { 300 } else { 20_000 });
        if running.load(Ordering::SeqCst) == 0 && quiet_since.elapsed() > patience {
            return read;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// The mistake that the position avoids, as a control: by sequence alone.
async fn naive_tail(database: &TestStore, running: &AtomicUsize) -> BTreeSet<i64> {
    let mut read = BTreeSet::new();
    loop {
        let last_look = running.load(Ordering::SeqCst) == 0;
        let cursor = read.last().copied().unwrap_or(0_i64);
        let found: Vec<i64> =
            sqlx::query_scalar("SELECT sequence FROM events WHERE sequence > $1 ORDER BY sequence LIMIT 7")
                .bind(cursor)
                .fetch_all(&database.superuser)
                .await
                .unwrap();
        if found.is_empty() && last_look {
            return read;
        }
        read.extend(found);
        sleep(Duration::from_millis(1)).await;
    }
}

fn revisions_ascend(events: &[StoredEvent]) -> bool {
    let mut last: std::collections::HashMap<(TenantId, Uuid), i64> = std::collections::HashMap::new();
    events.iter().all(|event| {
        let before = last.insert((event.tenant, event.stream), event.revision);
        before.is_none_or(|before| before + 1 == event.revision)
    })
}

#[tokio::test]
async fn an_event_behind_an_older_open_transaction_waits() {
    let database = database().await;
    let mut slow = database.store.begin(&context(TenantId::new())).await.unwrap();
    slow.append_fact("bundle", new_uuid(), filled(1)).await.unwrap();
    let mut quick = database.store.begin(&context(TenantId::new())).await.unwrap();
    quick.append_fact("bundle", new_uuid(), filled(2)).await.unwrap();
    quick.commit().await.unwrap();
    assert_eq!(database.store.events_after(Position::START, 10).await.unwrap(), []);
    slow.commit().await.unwrap();
    assert_eq!(until(&database.store, 2).await.len(), 2);
}

/// Other tests' transactions on the same server may hold the horizon for a moment.
pub async fn until(store: &EventStore, count: usize) -> Vec<StoredEvent> {
    let found = AtomicBool::new(false);
    let read = async {
        loop {
            let events = store.events_after(Position::START, 100).await.unwrap();
            if events.len() >= count {
                found.store(true, Ordering::SeqCst);
                return events;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), read).await.unwrap()
}

#[tokio::test]
async fn the_cost_of_the_horizon_is_a_wait_not_a_loss() {
    let database = database().await;
    let (_, events) = join(
        async {
            let mut slow = database.store.begin(&context(TenantId::new())).await.unwrap();
            slow.append_fact("bundle", new_uuid(), filled(1)).await.unwrap();
            sleep(Duration::from_millis(150)).await;
            slow.rollback().await.unwrap();
        },
        async {
            sleep(Duration::from_millis(30)).await;
            let mut quick = database.store.begin(&context(TenantId::new())).await.unwrap();
            quick.append_fact("bundle", new_uuid(), filled(2)).await.unwrap();
            quick.commit().await.unwrap();
            until(&database.store, 1).await
        },
    )
    .await;
    assert_eq!(events.len(), 1);
}
