//! What every journal must do. Each function takes a journal and a partition that is its own.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test suite reports by panicking")]

use std::time::Duration;

use crate::{Chain, Claim, Holder, Journal, JournalError, Lease, Row, Snapshot};

const LONG: Duration = Duration::from_secs(60);

/// Runs the whole suite; uses partitions 0 to 6.
pub async fn all<J: Journal>(journal: &J) {
    rows_are_kept_in_order(journal, 0).await;
    a_number_is_given_once(journal, 1).await;
    there_are_no_gaps(journal, 2).await;
    a_stale_epoch_never_appends(journal, 3).await;
    a_lease_is_held_until_it_expires(journal, 4).await;
    a_repeated_append_settles_what_happened(journal, 5).await;
    the_newest_snapshot_is_found(journal, 6).await;
}

/// Somebody.
#[must_use]
pub fn holder(owner: &str) -> Holder {
    Holder { owner: owner.to_owned(), address: format!("http://{owner}") }
}

/// A lease for a minute.
pub async fn lease<J: Journal>(journal: &J, partition: u16, owner: &str) -> Lease {
    match journal.acquire(partition, &holder(owner), LONG).await.unwrap() {
        Claim::Granted(lease) => lease,
        Claim::Held(other) => panic!("held by {other:?}"),
    }
}

/// Rows come back as they were appended, and their chain holds.
pub async fn rows_are_kept_in_order<J: Journal>(journal: &J, partition: u16) {
    let lease = lease(journal, partition, "a").await;
    let mut chain = Chain::start(partition);
    let sizes = [1_usize, 100, 10_000, 300_000, 7];
    let rows: Vec<Row> = sizes.iter().map(|size| chain.seal(lease.epoch, noise(*size))).collect();
    for row in &rows {
        journal.append(lease, row).await.unwrap();
    }
    assert_eq!(journal.read(partition, 0, 100).await.unwrap(), rows);
    assert_eq!(journal.read(partition, 3, 1).await.unwrap(), rows[3..4]);
    assert_eq!(journal.read(partition, 5, 100).await.unwrap(), []);
    let mut followed = Chain::start(partition);
    rows.iter().for_each(|row| followed.follow(row).unwrap());
}

/// A number that is taken is refused, also with other content.
pub async fn a_number_is_given_once<J: Journal>(journal: &J, partition: u16) {
    let lease = lease(journal, partition, "a").await;
    let row = Chain::start(partition).seal(lease.epoch, b"one".to_vec());
    journal.append(lease, &row).await.unwrap();
    let other = Chain::start(partition).seal(lease.epoch, b"another".to_vec());
    for again in [&row, &other] {
        let refused = journal.append(lease, again).await.unwrap_err();
        assert!(matches!(refused, JournalError::Taken { sequence: 1, .. }), "{refused:?}");
    }
    assert_eq!(journal.read(partition, 0, 9).await.unwrap(), [row]);
}

/// A row whose predecessor is missing is refused.
pub async fn there_are_no_gaps<J: Journal>(journal: &J, partition: u16) {
    let lease = lease(journal, partition, "a").await;
    let mut chain = Chain::start(partition);
    chain.seal(lease.epoch, b"never appended".to_vec());
    let second = chain.seal(lease.epoch, b"two".to_vec());
    let refused = journal.append(lease, &second).await.unwrap_err();
    assert!(matches!(refused, JournalError::Gap { sequence: 2, .. }), "{refused:?}");
}

/// Whoever lost the lease appends nothing, renews nothing and keeps no snapshot.
pub async fn a_stale_epoch_never_appends<J: Journal>(journal: &J, partition: u16) {
    let stale = lease(journal, partition, "a").await;
    let mut chain = Chain::start(partition);
    journal.append(stale, &chain.seal(stale.epoch, b"one".to_vec())).await.unwrap();
    let present = lease(journal, partition, "a").await;
    assert!(present.epoch > stale.epoch);
    let row = chain.seal(stale.epoch, b"two".to_vec());
    let snapshot = Snapshot { sequence: 1, hash: [0; 32], payload: vec![1] };
    let refusals = [
        journal.append(stale, &row).await.unwrap_err(),
        journal.renew(stale, LONG).await.unwrap_err(),
        journal.save_snapshot(stale, &snapshot).await.unwrap_err(),
    ];
    for refused in refusals {
        assert!(matches!(refused, JournalError::Fenced { .. }), "{refused:?}");
    }
    journal.release(stale).await.unwrap();
    journal.renew(present, LONG).await.unwrap();
    journal.append(present, &row).await.unwrap();
    assert_eq!(journal.latest_snapshot(partition).await.unwrap(), None);
}

/// A lease keeps others out until it expires or is released.
pub async fn a_lease_is_held_until_it_expires<J: Journal>(journal: &J, partition: u16) {
    assert_eq!(journal.holder(partition).await.unwrap(), None);
    let first = lease(journal, partition, "a").await;
    let refused = journal.acquire(partition, &holder("b"), LONG).await.unwrap();
    assert_eq!(refused, Claim::Held(holder("a")));
    assert_eq!(journal.holder(partition).await.unwrap(), Some(holder("a")));
    journal.renew(first, Duration::from_millis(80)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(120)).await;
    let second = lease(journal, partition, "b").await;
    assert!(second.epoch > first.epoch);
    journal.release(second).await.unwrap();
    assert_eq!(journal.holder(partition).await.unwrap(), None);
    lease(journal, partition, "a").await;
}

/// An append whose answer was lost is settled by repeating it and reading back.
pub async fn a_repeated_append_settles_what_happened<J: Journal>(journal: &J, partition: u16) {
    let lease = lease(journal, partition, "a").await;
    let row = Chain::start(partition).seal(lease.epoch, b"one".to_vec());
    journal.append(lease, &row).await.unwrap();
    let again = journal.append(lease, &row).await.unwrap_err();
    assert!(matches!(again, JournalError::Taken { .. }), "{again:?}");
    let stored = journal.read(partition, row.sequence - 1, 1).await.unwrap();
    assert_eq!(stored[0].hash, row.hash, "the row there is ours");
}

/// Snapshots of any size survive; the newest is answered.
pub async fn the_newest_snapshot_is_found<J: Journal>(journal: &J, partition: u16) {
    let lease = lease(journal, partition, "a").await;
    assert_eq!(journal.latest_snapshot(partition).await.unwrap(), None);
    for (sequence, size) in [(10, 5), (20, 9_000_000), (30, 0), (40, 5_000_000)] {
        let snapshot = Snapshot { sequence, hash: [7; 32], payload: noise(size) };
        journal.save_snapshot(lease, &snapshot).await.unwrap();
        journal.save_snapshot(lease, &snapshot).await.unwrap();
        assert!(journal.latest_snapshot(partition).await.unwrap() == Some(snapshot), "{size} bytes");
    }
}

#[allow(clippy::cast_possible_truncation, reason = "any bytes will do")]
fn noise(size: usize) -> Vec<u8> {
    (0..size).map(|place| ((place * 31) >> 3) as u8).collect()
}
