//! The engine over a journal in memory that loses rows, loses answers and is slow.

use std::time::Duration;

use futures::future::join_all;
use journal::{Journal as _, MemoryJournal, Mishap};
use wallet::Config;
use wallet_domain::Rejection;
use wallet_domain::samples::{a_post, a_request, customer, issuance, tenant};

use crate::fixtures::{Process, config, timed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_posted_can_be_read() {
    let process = Process::serving(&MemoryJournal::default(), config()).await;
    process.open_customers(2).await;
    let post = a_post(1, issuance(), customer(1), 100);
    let first = process.ledger.execute(a_request(), post.clone()).await.unwrap().unwrap();
    let again = process.ledger.execute(a_request(), post).await.unwrap().unwrap();
    assert_eq!((first.position, first.repeated, again.repeated), (again.position, false, true));
    assert_eq!((process.balance(issuance()).await, process.balance(customer(1)).await), (-100, 100));
    let unknown = process.ledger.account(ids::TenantId::new(), customer(1)).await;
    assert!(unknown.is_err() || unknown.unwrap().accounts.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_spends_of_the_last_token_succeed_once() {
    let process = Process::serving(&MemoryJournal::default(), config()).await;
    process.open_customers(2).await;
    process.ledger.execute(a_request(), a_post(0, issuance(), customer(1), 1)).await.unwrap().unwrap();
    let spend = |number| process.ledger.execute(a_request(), a_post(number, customer(1), customer(2), 1));
    let outcomes = join_all((1..=1_000).map(spend)).await;
    let won = outcomes.iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count();
    assert_eq!(won, 1);
    let refused = Rejection::InsufficientFunds { account: customer(1), available: 0, needed: 1 };
    assert!(outcomes.iter().any(|outcome| outcome.as_ref().unwrap() == &Err(refused.clone())));
    assert_eq!((process.balance(customer(1)).await, process.balance(customer(2)).await), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrives_during_an_append_is_one_batch() {
    let journal = MemoryJournal::default();
    let process = Process::serving(&journal, config()).await;
    process.open_customers(1).await;
    let partition = process.ledger.partition_of(tenant());
    let before = journal.read(partition, 0, 10_000).await.unwrap().len();
    journal.order([Mishap::Slow(Duration::from_millis(200))]);
    let post = |number| process.ledger.execute(a_request(), a_post(number, issuance(), customer(1), 1));
    join_all((1..=500).map(post)).await;
    let batches = journal.read(partition, 0, 10_000).await.unwrap().len() - before;
    assert!(batches <= 3, "{batches} batches for 500 operations");
    assert_eq!(process.balance(customer(1)).await, 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_answered_before_the_batch_is_durable() {
    let journal = MemoryJournal::default();
    let process = Process::serving(&journal, config()).await;
    process.open_customers(1).await;
    journal.order([Mishap::Slow(Duration::from_millis(250))]);
    let posting = process.ledger.execute(a_request(), a_post(1, issuance(), customer(1), 7));
    let mut posting = Box::pin(posting);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut posting).await;
    assert!(early.is_err(), "not durable yet");
    let reading = tokio::time::timeout(Duration::from_millis(50), process.balance(customer(1))).await;
    assert!(reading.is_err(), "a read that would show it waits too");
    posting.await.unwrap().unwrap();
    assert_eq!(process.balance(customer(1)).await, 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_settled_by_itself() {
    let journal = MemoryJournal::default();
    let process = Process::serving(&journal, config()).await;
    process.open_customers(1).await;
    for (number, mishap) in (1..).zip([Mishap::AnswerLost, Mishap::Lost]) {
        journal.order([mishap]);
        let posted = process.ledger.execute(a_request(), a_post(number, issuance(), customer(1), 5)).await;
        assert!(!posted.unwrap().unwrap().repeated, "{mishap:?}");
    }
    assert_eq!(process.balance(customer(1)).await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_is_said_and_resolved_by_repeating() {
    for (mishap, got_in) in [(Mishap::Lost, false), (Mishap::AnswerLost, true)] {
        let journal = MemoryJournal::default();
        let config = Config { append_patience_milliseconds: 1, ..config() };
        let process = Process::serving(&journal, config).await;
        process.open_customers(1).await;
        // The first append and its repetitions go wrong until the patience is over.
        journal.order([mishap]);
        journal.order([Mishap::Lost; 3]);
        let post = a_post(1, issuance(), customer(1), 5);
        let fault = process.ledger.execute(a_request(), post.clone()).await.unwrap_err();
        assert_eq!(fault.reason(), "ledger_outcome_unknown", "{mishap:?}");
        let receipt = process.insist(&a_request(), &post).await.unwrap();
        assert_eq!(receipt.repeated, got_in, "{mishap:?}");
        assert_eq!(process.balance(customer(1)).await, 5, "{mishap:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_at_once_is_refused_and_memory_stays_bounded() {
    let journal = MemoryJournal::default();
    let config = Config { queued_operations_max: 64, batch_operations_max: 16, ..config() };
    let process = Process::serving(&journal, config).await;
    process.open_customers(1).await;
    journal.order([Mishap::Slow(Duration::from_millis(200))]);
    let post = |number| process.ledger.execute(a_request(), a_post(number, issuance(), customer(1), 1));
    let outcomes = join_all((1..=500).map(post)).await;
    let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    let refused: Vec<_> = refused.map(fault::Fault::reason).collect();
    assert!(
        refused.len() > 300 && refused.iter().all(|reason| *reason == "ledger_overloaded"),
        "{}",
        refused.len()
    );
    assert_eq!(process.balance(customer(1)).await, 500 - i64::try_from(refused.len()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_owner_continues_where_a_dead_one_stopped() {
    let journal = MemoryJournal::default();
    let config = wallet::Config { snapshot_batches: 10, remembered_operations: 1_024, ..config() };
    let first = Process::serving(&journal, config.clone()).await;
    first.open_customers(3).await;
    let posts: Vec<_> =
        (1..=60_000).map(|number| timed(a_post(number, issuance(), customer(1 + number % 3), 2))).collect();
    for chunk in posts.chunks(1_000) {
        let outcomes = first.ledger.execute_all(a_request(), chunk.to_vec()).await.unwrap();
        assert!(outcomes.iter().all(Result::is_ok));
    }
    first.kill();
    let second = Process::serving(&journal, config).await;
    assert_eq!(second.balance(issuance()).await, -120_000);
    let repeated = second.ledger.execute_all(a_request(), posts[59_900..].to_vec()).await.unwrap();
    assert!(repeated.iter().all(|outcome| outcome.as_ref().unwrap().repeated));
    let forgotten = second.ledger.execute(a_request(), posts[0].clone()).await.unwrap();
    let expired = Rejection::OperationIdExpired { operation: posts[0].operation };
    assert_eq!(forgotten, Err(expired), "what is no longer remembered is refused, not done twice");
    let partition = second.ledger.partition_of(tenant());
    assert!(journal.latest_snapshot(partition).await.unwrap().unwrap().sequence >= 10);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_when_the_owner_stops() {
    let journal = MemoryJournal::default();
    let first = Process::serving(&journal, config()).await;
    first.open_customers(1).await;
    let standby = Process::start(&journal, config());
    tokio::time::sleep(Duration::from_millis(250)).await;
    let refused =
        standby.ledger.execute(a_request(), a_post(1, issuance(), customer(1), 5)).await.unwrap_err();
    assert_eq!(refused.reason(), "ledger_not_served_here");
    first.ledger.execute(a_request(), a_post(1, issuance(), customer(1), 5)).await.unwrap().unwrap();
    first.stop().await;
    standby.served().await;
    assert_eq!(standby.balance(customer(1)).await, 5);
}
