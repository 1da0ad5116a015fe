//! What every journal must do. Each function takes a journal and a partition that is its own.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test suite reports by panicking")]

use std::time::Duration;

use crate::{Chain, Claim, Holder, Journal, JournalError, Lease, Row, Snapshot};

const LONG: Duration = Duration::from_secs(60);

/// Runs the whole suite; uses partitions 0 to 11.
pub async fn all<J: Journal>(journal: &J) {
    rows_are_kept_in_order(journal, 0).await;
    a_number_is_given_once(journal, 1).await;
    there_are_no_gaps(journal, 2).await;
    a_stale_epoch_never_appends(journal, 3).await;
    a_lease_is_held_until_it_expires(journal, 4).await;
    a_repeated_append_settles_what_happened(journal, 5).await;
    the_newest_snapshot_is_found(journal, 6).await;
    large_batches_pass(journal, 7).await;
    many_rows_are_read_in_pages(journal, 8).await;
    of_two_appenders_one_wins(journal, 9).await;
    a_stale_epoch_is_refused_before_its_successor_appends(journal, 10).await;
    nobody_waits_for_rows_that_are_not_there(journal, 11).await;
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

/// Batches of the size that a full batch of operations has.
pub async fn large_batches_pass<J: Journal>(journal: &J, partition: u16) {
    let lease = lease(journal, partition, "a").await;
    let mut chain = Chain::start(partition);
    let rows: Vec<Row> = (0..4).map(|_| chain.seal(lease.epoch, noise(1_500_000))).collect();
    for row in &rows {
        journal.append(lease, row).await.unwrap();
    }
    assert!(journal.read(partition, 0, 32).await.unwrap() == rows, "they come back as they were");
}

/// Rows are found by their numbers, whoever appended them and however often the owner changed.
pub async fn many_rows_are_read_in_pages<J: Journal>(journal: &J, partition: u16) {
    let (mut chain, mut rows) = (Chain::start(partition), Vec::new());
    for turn in 0..8 {
        let mut present = lease(journal, partition, "a").await;
        for _ in 0..turn * turn {
            present = lease(journal, partition, "a").await; // came and went without an append
        }
        for size in 0..turn * 4 {
            let row = chain.seal(present.epoch, noise(size));
            journal.append(present, &row).await.unwrap();
            rows.push(row);
        }
    }
    let mut read: Vec<Row> = Vec::new();
    loop {
        let page = journal.read(partition, read.len() as u64, 7).await.unwrap();
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, rows);
    for after in (0..rows.len()).rev().step_by(5) {
        assert_eq!(journal.read(partition, after as u64, 1).await.unwrap(), rows[after..=after]);
    }
    assert_eq!(journal.read(partition, 5, 0).await.unwrap(), []);
}

/// Two appends of one number at the same time: one is in, the other is told so.
pub async fn of_two_appenders_one_wins<J: Journal>(journal: &J, partition: u16) {
    let lease = lease(journal, partition, "a").await;
    let mut chain = Chain::start(partition);
    for _ in 0..20 {
        let [one, other] = [b"one", b"two"].map(|content| {
            let mut end = chain;
            end.seal(lease.epoch, content.to_vec())
        });
        let outcomes = tokio::join!(journal.append(lease, &one), journal.append(lease, &other));
        let won = match outcomes {
            (Ok(()), Err(JournalError::Taken { .. })) => one,
            (Err(JournalError::Taken { .. }), Ok(())) => other,
            both => panic!("{both:?}"),
        };
        let there = journal.read(partition, won.sequence - 1, 9).await.unwrap();
        assert_eq!(there, std::slice::from_ref(&won));
        chain.follow(&won).unwrap();
    }
}

/// A takeover alone shuts out whoever wrote before.
pub async fn a_stale_epoch_is_refused_before_its_successor_appends<J: Journal>(journal: &J, partition: u16) {
    let first = lease(journal, partition, "a").await;
    let mut chain = Chain::start(partition);
    let one = chain.seal(first.epoch, b"one".to_vec());
    let second = lease(journal, partition, "a").await;
    let refused = journal.append(first, &one).await.unwrap_err();
    assert!(matches!(refused, JournalError::Fenced { .. }), "{refused:?}");
    assert_eq!(journal.read(partition, 0, 9).await.unwrap(), []);
    let one = Row { epoch: second.epoch, ..one };
    journal.append(second, &one).await.unwrap();
    let third = lease(journal, partition, "a").await;
    for row in [&one, &chain.seal(second.epoch, b"two".to_vec())] {
        let refused = journal.append(second, row).await.unwrap_err();
        assert!(matches!(refused, JournalError::Fenced { .. }), "{refused:?}");
    }
    assert_eq!(journal.read(partition, 0, 9).await.unwrap(), [one]);
    journal.renew(third, LONG).await.unwrap();
}

/// A partition without rows, and the place behind the last row.
pub async fn nobody_waits_for_rows_that_are_not_there<J: Journal>(journal: &J, partition: u16) {
    assert_eq!(journal.read(partition, 0, 9).await.unwrap(), []);
    assert_eq!(journal.read(partition, 1_000, 9).await.unwrap(), []);
    let lease = lease(journal, partition, "a").await;
    assert_eq!(journal.read(partition, 0, 9).await.unwrap(), []);
    let row = Chain::start(partition).seal(lease.epoch, b"one".to_vec());
    journal.append(lease, &row).await.unwrap();
    assert_eq!(journal.read(partition, 1, 9).await.unwrap(), []);
    assert_eq!(journal.read(partition, 1_000, 9).await.unwrap(), []);
}

/// Repeats an append whose outcome is unknown until it is known, as the engine does. `trouble` may
/// befall the first attempts; afterwards the row is there once, and the next one can follow.
pub async fn an_append_is_settled_by_repeating_it<J: Journal>(
    journal: &J,
    lease: Lease,
    chain: &mut Chain,
    trouble: &str,
) {
    let before = chain.sequence();
    let row = chain.seal(lease.epoch, trouble.as_bytes().to_vec());
    let mut unknown = 0;
    let settled = loop {
        match journal.append(lease, &row).await {
            Err(JournalError::Unavailable(_)) if unknown < 200 => unknown += 1,
            settled => break settled,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(unknown > 0, "{trouble} left the outcome known");
    match settled {
        Ok(()) | Err(JournalError::Taken { .. }) => {}
        other => panic!("after {trouble}: {other:?}"),
    }
    assert_eq!(journal.read(lease.partition, before, 9).await.unwrap(), [row], "after {trouble}");
}

#[allow(clippy::cast_possible_truncation, reason = "any bytes will do")]
fn noise(size: usize) -> Vec<u8> {
    (0..size).map(|place| ((place * 31) >> 3) as u8).collect()
}
