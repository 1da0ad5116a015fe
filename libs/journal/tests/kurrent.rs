//! The KurrentDB journal: the suite over a double that speaks the protocol, troubles on the way, and
//! the suite over a real server where `VBWD_TEST_KURRENTDB_URL` names one.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::time::{Duration, Instant};

use journal::conformance::{all, an_append_is_settled_by_repeating_it, holder, lease};
use journal::double::{Double, Trouble};
use journal::{Chain, Journal as _, JournalError, KurrentJournal, MemoryJournal};

/// What the documentation tells operators to set.
const APPEND_BYTES_MAX: usize = 8 * 1024 * 1024;
const STREAM: &str = "ledger-0";

/// A process of its own: it shares the server and the leases with others, and nothing else.
fn process(double: &Double, leases: &MemoryJournal) -> KurrentJournal<MemoryJournal> {
    KurrentJournal::new(&double.url(), "ledger", leases.clone()).unwrap()
}

async fn alone() -> (Double, KurrentJournal<MemoryJournal>) {
    let double = Double::start(APPEND_BYTES_MAX).await.unwrap();
    let journal = process(&double, &MemoryJournal::default());
    (double, journal)
}

#[tokio::test]
async fn kurrentdb_conforms_over_the_double() {
    let (_double, journal) = alone().await;
    all(&journal).await;
}

#[tokio::test]
async fn a_kurrentdb_of_before_conforms_too() {
    let double = Double::start_old(APPEND_BYTES_MAX).await.unwrap();
    Box::pin(all(&process(&double, &MemoryJournal::default()))).await;
}

#[tokio::test]
async fn a_real_kurrentdb_conforms_where_there_is_one() {
    let Ok(url) = std::env::var("VBWD_TEST_KURRENTDB_URL") else {
        eprintln!("skipped: VBWD_TEST_KURRENTDB_URL names no server");
        return;
    };
    let leases = MemoryJournal::default();
    let prefix = format!("vbwd-test-{}", uuid::Uuid::now_v7().simple());
    let journal = KurrentJournal::new(&url, &prefix, leases.clone()).unwrap();
    all(&journal).await;
    let restarted = KurrentJournal::new(&url, &prefix, leases).unwrap();
    let there = journal.read(8, 0, 1_000).await.unwrap();
    assert_eq!(restarted.read(8, 80, 1_000).await.unwrap(), there[80..]);
}

/// The client leaves Nagle's algorithm on; an append in a call of its own takes more than 40 ms.
#[tokio::test]
async fn an_append_does_not_wait_for_a_delayed_acknowledgement() {
    let (_double, journal) = alone().await;
    let lease = lease(&journal, 0, "a").await;
    let (mut chain, mut quickest) = (Chain::start(0), Duration::MAX);
    for _ in 0..20 {
        let (row, began) = (chain.seal(lease.epoch, vec![7; 1_000]), Instant::now());
        journal.append(lease, &row).await.unwrap();
        quickest = quickest.min(began.elapsed());
    }
    assert!(quickest < Duration::from_millis(25), "{quickest:?}");
}

#[tokio::test]
async fn an_append_is_settled_whatever_became_of_the_first_attempt() {
    let (double, journal) = alone().await;
    let lease = lease(&journal, 0, "a").await;
    let mut chain = Chain::start(0);
    let late = Duration::from_millis(100);
    let troubles = [
        vec![Trouble::AnswerLost],
        vec![Trouble::Cut],
        vec![Trouble::Unavailable, Trouble::Cut, Trouble::AnswerLost],
        vec![Trouble::NotLeader],
        vec![Trouble::Late(late)],
        vec![Trouble::Late(late), Trouble::Late(late), Trouble::Unavailable],
    ];
    for troubles in troubles {
        let named = format!("{troubles:?}");
        double.order(troubles);
        an_append_is_settled_by_repeating_it(&journal, lease, &mut chain, &named).await;
    }
    let (rows, mut followed) = (journal.read(0, 0, 100).await.unwrap(), Chain::start(0));
    rows.iter().for_each(|row| followed.follow(row).unwrap());
    assert_eq!(followed, chain);
    tokio::time::sleep(late * 2).await;
    assert_eq!(double.types(STREAM).len(), rows.len() + 1, "a fence, and every batch once");
}

#[tokio::test]
async fn calls_that_nobody_holds_any_more_are_ended() {
    let (double, journal) = alone().await;
    let present = lease(&journal, 0, "a").await;
    let mut chain = Chain::start(0);
    assert_eq!(double.open_calls(), 1);
    for _ in 0..3 {
        let row = chain.seal(present.epoch, b"given up".to_vec());
        double.order([Trouble::Slow(Duration::from_millis(100))]);
        tokio::time::timeout(Duration::from_millis(20), journal.append(present, &row)).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(matches!(journal.append(present, &row).await, Err(JournalError::Taken { .. })));
    }
    assert!(double.open_calls() <= 1);
    drop(journal);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if double.open_calls() == 0 {
            return;
        }
    }
    panic!("{} calls are open", double.open_calls());
}

#[tokio::test]
async fn what_a_stale_owner_still_has_on_its_way_never_gets_in() {
    let double = Double::start(APPEND_BYTES_MAX).await.unwrap();
    let leases = MemoryJournal::default();
    let (old, new) = (process(&double, &leases), process(&double, &leases));
    let stale = lease(&old, 0, "a").await;
    let mut chain = Chain::start(0);
    old.append(stale, &chain.seal(stale.epoch, b"one".to_vec())).await.unwrap();
    double.order([Trouble::Late(Duration::from_millis(500))]);
    let late = chain.seal(stale.epoch, b"two, late".to_vec());
    assert!(matches!(old.append(stale, &late).await.unwrap_err(), JournalError::Unavailable(_)));
    old.release(stale).await.unwrap();
    let present = lease(&new, 0, "b").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(new.read(0, 0, 9).await.unwrap().len(), 1, "the fence came first");
    let refused = old.append(stale, &late).await.unwrap_err();
    assert!(matches!(refused, JournalError::Fenced { .. }), "{refused:?}");
    let mut chain = Chain::behind(0, 1, new.read(0, 0, 1).await.unwrap()[0].hash);
    new.append(present, &chain.seal(present.epoch, b"two".to_vec())).await.unwrap();
    let kinds = ["fence", "batch", "fence", "batch"].map(|kind| format!("vbwd-ledger-{kind}"));
    assert_eq!(double.types(STREAM), kinds);
}

#[tokio::test]
async fn a_batch_that_gets_in_before_the_fence_is_seen_by_the_new_owner() {
    let double = Double::start(APPEND_BYTES_MAX).await.unwrap();
    let leases = MemoryJournal::default();
    let (old, new) = (process(&double, &leases), process(&double, &leases));
    let stale = lease(&old, 0, "a").await;
    let mut chain = Chain::start(0);
    old.append(stale, &chain.seal(stale.epoch, b"one".to_vec())).await.unwrap();
    old.release(stale).await.unwrap();
    assert_eq!(new.read(0, 0, 9).await.unwrap().len(), 1);
    // The new owner's fence is on its way when the old one appends once more.
    double.order([Trouble::Slow(Duration::from_millis(400))]);
    let (present, appended) = tokio::join!(lease(&new, 0, "b"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        old.append(stale, &chain.seal(stale.epoch, b"two".to_vec())).await
    });
    appended.unwrap();
    assert_eq!(new.read(0, 0, 9).await.unwrap().len(), 2);
    new.append(present, &chain.seal(present.epoch, b"three".to_vec())).await.unwrap();
    let refused = old.append(stale, &chain.seal(stale.epoch, b"four".to_vec())).await.unwrap_err();
    assert!(matches!(refused, JournalError::Fenced { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_restarted_process_finds_rows_behind_many_fences() {
    let double = Double::start(APPEND_BYTES_MAX).await.unwrap();
    let leases = MemoryJournal::default();
    let writer = process(&double, &leases);
    let (mut chain, mut rows) = (Chain::start(0), Vec::new());
    for turn in 0..40 {
        let present = lease(&writer, 0, "a").await;
        for _ in 0..turn % 7 {
            let row = chain.seal(present.epoch, vec![turn]);
            writer.append(present, &row).await.unwrap();
            rows.push(row);
        }
    }
    for _ in 0..50 {
        lease(&writer, 0, "a").await;
    }
    for after in (0..rows.len()).step_by(7) {
        let restarted = process(&double, &leases);
        let there = restarted.read(0, after as u64, 5).await.unwrap();
        assert!(!there.is_empty() && there == rows[after..after + there.len()], "behind {after}");
        assert_eq!(restarted.read(0, rows.len() as u64, 5).await.unwrap(), []);
    }
    let restarted = process(&double, &leases);
    let present = lease(&restarted, 0, "a").await;
    restarted.append(present, &chain.seal(present.epoch, b"next".to_vec())).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_away_is_waited_for_by_nobody_and_found_again() {
    let (double, journal) = alone().await;
    let present = lease(&journal, 0, "a").await;
    let mut chain = Chain::start(0);
    journal.append(present, &chain.seal(present.epoch, b"one".to_vec())).await.unwrap();
    double.set_up(false);
    let began = Instant::now();
    let row = chain.seal(present.epoch, b"two".to_vec());
    for _ in 0..3 {
        let unknown = journal.append(present, &row).await.unwrap_err();
        assert!(matches!(unknown, JournalError::Unavailable(_)), "{unknown:?}");
        let unread = journal.read(0, 0, 9).await.unwrap_err();
        assert!(matches!(unread, JournalError::Unavailable(_)), "{unread:?}");
    }
    journal.acquire(1, &holder("a"), Duration::from_secs(60)).await.unwrap_err();
    assert_eq!(journal.holder(1).await.unwrap(), None, "a lease without a fence is given back");
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    double.set_up(true);
    an_append_when_up_again(&journal, present, &row).await;
    assert_eq!(journal.read(0, 0, 9).await.unwrap().len(), 2);
}

async fn an_append_when_up_again(
    journal: &KurrentJournal<MemoryJournal>,
    lease: journal::Lease,
    row: &journal::Row,
) {
    for _ in 0..50 {
        if journal.append(lease, row).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the server was not found again");
}

/// The server's default is 1 MiB: such a batch does not pass, and the error says why.
#[tokio::test]
async fn a_batch_that_the_server_does_not_allow_is_refused_with_its_reason() {
    let double = Double::start(1_048_576).await.unwrap();
    let journal = process(&double, &MemoryJournal::default());
    let lease = lease(&journal, 0, "a").await;
    let row = Chain::start(0).seal(lease.epoch, vec![7; 1_500_000]);
    let JournalError::Unavailable(why) = journal.append(lease, &row).await.unwrap_err() else { panic!() };
    assert!(why.to_string().contains("MaximumAppendSizeExceeded"), "{why}");
    let small = Chain::start(0).seal(lease.epoch, vec![7; 1_000_000]);
    journal.append(lease, &small).await.unwrap();
}

#[tokio::test]
async fn a_stream_with_later_epochs_than_the_leases_is_not_taken() {
    let double = Double::start(APPEND_BYTES_MAX).await.unwrap();
    let journal = process(&double, &MemoryJournal::default());
    lease(&journal, 0, "a").await;
    let present = lease(&journal, 0, "a").await;
    let forgetful = process(&double, &MemoryJournal::default());
    let refused = forgetful.acquire(0, &holder("b"), Duration::from_secs(60)).await.unwrap_err();
    assert!(matches!(refused, JournalError::Fenced { .. }), "{refused:?}");
    journal.append(present, &Chain::start(0).seal(present.epoch, b"one".to_vec())).await.unwrap();
}

#[tokio::test]
async fn a_partition_whose_batches_are_elsewhere_does_not_begin_anew() {
    let double = Double::start(APPEND_BYTES_MAX).await.unwrap();
    let before = MemoryJournal::default();
    let present = lease(&before, 0, "a").await;
    before.append(present, &Chain::start(0).seal(present.epoch, b"one".to_vec())).await.unwrap();
    let refused = process(&double, &before).acquire(0, &holder("a"), Duration::from_secs(60)).await;
    assert!(matches!(refused, Err(JournalError::Corrupt(_))), "{refused:?}");
}

#[tokio::test]
async fn what_does_not_belong_into_the_stream_is_damage() {
    let (double, journal) = alone().await;
    let present = lease(&journal, 0, "a").await;
    let client = kurrentdb::Client::new(double.url().parse().unwrap()).unwrap();
    let stranger = kurrentdb::EventData::json("hello", &1).unwrap();
    client.append_to_stream(STREAM, &Default::default(), stranger).await.unwrap_err();
    let behind_the_fence =
        kurrentdb::AppendToStreamOptions::default().stream_state(kurrentdb::StreamState::StreamRevision(0));
    let stranger = kurrentdb::EventData::json("hello", &1).unwrap();
    client.append_to_stream(STREAM, &behind_the_fence, stranger).await.unwrap();
    let row = Chain::start(0).seal(present.epoch, b"one".to_vec());
    for refused in
        [journal.append(present, &row).await.unwrap_err(), journal.read(0, 0, 9).await.unwrap_err()]
    {
        assert!(matches!(refused, JournalError::Corrupt(_)), "{refused:?}");
    }
}

#[test]
fn an_address_that_cannot_be_read_is_not_repeated() {
    let refused =
        KurrentJournal::new("http://a:hunter2@h", "ledger", MemoryJournal::default()).err().unwrap();
    assert!(!format!("{refused} {refused:?}").contains("hunter2"));
}
