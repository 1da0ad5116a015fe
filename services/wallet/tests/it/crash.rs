//! The engine on PostgreSQL: takeover, a stale owner, the end of the database.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use journal::{Chain, Journal as _, PostgresJournal};
use wallet::Store;
use wallet_domain::samples::{a_post, a_request, customer, issuance, tenant};
use wallet_domain::{Batch, PartitionState};

use crate::fixtures::{self, Process, config};

async fn database() -> (testkit::TestDatabase, PostgresJournal) {
    let database = testkit::database("wallet", wallet::migrations()).await;
    let journal = wallet::journal(&Store::new(database.pool("wallet")));
    (database, journal)
}

/// Follows the chain and replays the facts, as an auditor does.
async fn audit(journal: &PostgresJournal, partition: u16) -> PartitionState {
    let (mut chain, mut state) = (Chain::start(partition), PartitionState::default());
    loop {
        let rows = journal.read(partition, chain.sequence(), 100).await.unwrap();
        if rows.is_empty() {
            return state;
        }
        for row in rows {
            chain.follow(&row).unwrap();
            state.apply(row.sequence, &Batch::from_payload(&row.payload).unwrap()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_operations_survive_a_killed_owner() {
    let (_database, journal) = database().await;
    let first = Process::serving(&journal, config()).await;
    first.open_customers(5).await;
    let post = |number| first.insist_or_unknown(number);
    let acknowledged = {
        let posting = join_all((1..=400).map(post));
        let killing = async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            first.kill();
        };
        tokio::join!(posting, killing).0
    };
    let second = Process::serving(&journal, config()).await;
    for number in 1..=400 {
        let receipt = second.insist(&a_request(), &an_operation(number)).await.unwrap();
        let was_acknowledged = acknowledged[number as usize - 1];
        assert!(receipt.repeated || !was_acknowledged, "operation {number} was acknowledged and lost");
    }
    assert_eq!(second.balance(issuance()).await, -400 * 3);
    let audited = audit(&journal, second.ledger.partition_of(tenant())).await;
    assert_eq!(audited.account(tenant(), issuance()).unwrap().balance, -1_200);
    assert_eq!(audited.accounts().map(|view| i128::from(view.balance)).sum::<i128>(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_lost_its_lease_answers_nothing_and_starts_over() {
    let (database, journal) = database().await;
    let process = Process::serving(&journal, config()).await;
    process.open_customers(5).await;
    let superuser = database.superuser("wallet");
    sqlx::query("UPDATE journal_leases SET epoch = epoch + 1, owner = 'thief'")
        .execute(&superuser)
        .await
        .unwrap();
    let refused = process.ledger.execute(a_request(), an_operation(1)).await;
    assert!(refused.is_err(), "{refused:?}");
    process.served().await;
    assert!(!process.insist(&a_request(), &an_operation(1)).await.unwrap().repeated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_lose_nothing_and_double_nothing() {
    let (database, journal) = database().await;
    let process = Process::serving(&journal, config()).await;
    process.open_customers(5).await;
    let superuser = database.superuser("wallet");
    let cutting = async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'vbwd_wallet' AND datname = current_database()";
            sqlx::query(cut).execute(&superuser).await.unwrap();
        }
    };
    let (request, numbers) = (a_request(), 1..=300_u32);
    let posting = join_all(numbers.clone().map(|number| {
        let (process, request) = (&process, &request);
        async move { process.insist(request, &an_operation(number)).await.unwrap() }
    }));
    tokio::join!(posting, cutting);
    assert_eq!(process.balance(issuance()).await, -900);
    let audited = audit(&journal, process.ledger.partition_of(tenant())).await;
    assert_eq!(audited.account(tenant(), issuance()).unwrap().balance, -900);
}

fn an_operation(number: u32) -> wallet_domain::Command {
    a_post(number, issuance(), customer(1 + number % 5), 3)
}

impl Process {
    /// Whether an operation was acknowledged as done.
    async fn insist_or_unknown(&self, number: u32) -> bool {
        tokio::time::sleep(Duration::from_millis(u64::from(number) / 4)).await;
        let answer = self.ledger.execute(a_request(), an_operation(number)).await;
        answer.is_ok_and(|outcome| outcome.is_ok())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_killed_under_load_loses_nothing_and_doubles_nothing() {
    let server = Arc::new(Mutex::new(testkit::Postgres::ephemeral().unwrap()));
    let config = runtime::config::Database {
        url: runtime::config::Secret::from(server.lock().unwrap().url().as_str()),
        role_password: runtime::config::Secret::from("test-role-password"),
        connections_max: 5,
    };
    runtime::database::migrate(&config, vec![("wallet", wallet::migrations())]).await.unwrap();
    let journal = wallet::journal(&Store::new(runtime::database::pool(&config, "wallet").unwrap()));
    let process = Process::serving(&journal, fixtures::config()).await;
    process.open_customers(5).await;
    let killing = tokio::task::spawn_blocking({
        let server = Arc::clone(&server);
        move || {
            for _ in 0..2 {
                std::thread::sleep(Duration::from_millis(150));
                let mut server = server.lock().unwrap();
                server.kill_9().unwrap();
                std::thread::sleep(Duration::from_millis(400));
                server.start_again().unwrap();
            }
        }
    });
    let (request, next) = (a_request(), AtomicU32::new(1));
    let client = || async {
        while !killing.is_finished() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            process.insist(&request, &an_operation(number)).await.unwrap();
        }
    };
    join_all((0..8).map(|_| client())).await;
    let posted = i64::from(next.load(Ordering::Relaxed) - 1);
    process.served().await;
    assert_eq!(process.balance(issuance()).await, -3 * posted);
    let audited = audit(&journal, process.ledger.partition_of(tenant())).await;
    assert_eq!(audited.account(tenant(), issuance()).unwrap().balance, -3 * posted);
    println!("{posted} operations, each once");
}
