//! The ledger with its batches in KurrentDB (a double of it), leases and snapshots in PostgreSQL.

use std::time::Duration;

use journal::double::{Double, Trouble};
use journal::{AnyJournal, Journal as _};
use runtime::Drain;
use runtime::config::Secret;
use wallet::config::JournalKind;
use wallet::proof::{Finding, Report, Source, verify_database};
use wallet::{Config, Store, run_projection};
use wallet_domain::samples::{a_post, a_request, customer, issuance, tenant};

use crate::fixtures::{Process, config};

const APPEND_BYTES_MAX: usize = 8 * 1024 * 1024;

struct World {
    database: testkit::TestDatabase,
    double: Double,
    config: Config,
}

async fn world() -> World {
    let database = testkit::database("wallet", wallet::migrations()).await;
    let double = Double::start(APPEND_BYTES_MAX).await.unwrap();
    let config = Config {
        journal: JournalKind::KurrentDb,
        kurrentdb_url: Secret::from(double.url().as_str()),
        append_patience_milliseconds: 3_000,
        lease_milliseconds: 1_000,
        snapshot_batches: 5,
        ..config()
    };
    World { database, double, config }
}

impl World {
    /// Chosen by the settings, as the service does.
    fn journal(&self) -> AnyJournal {
        wallet::chosen_journal(&self.config, &self.store()).unwrap()
    }

    fn store(&self) -> Store {
        Store::new(self.database.pool("wallet"))
    }

    /// Journal, snapshots, and the tables once they have followed.
    async fn verify(&self, process: &Process, partition: u16) -> Report {
        let (store, journal, drain) = (self.store(), self.journal(), Drain::new());
        store.settle_layout(self.config.partitions).await.unwrap();
        let (ledger, ended) = (process.ledger.clone(), drain.clone());
        let projecting = run_projection(ledger, journal.clone(), store.clone(), partition, ended);
        let projecting = tokio::spawn(projecting);
        let superuser = self.database.superuser("wallet");
        let last = journal.read(partition, 0, 1_000).await.unwrap().last().unwrap().sequence;
        for _ in 0..1_000 {
            let query = "SELECT coalesce(max(projected), 0) FROM ledger_progress";
            let projected: i64 = sqlx::query_scalar(query).fetch_one(&superuser).await.unwrap();
            if projected.cast_unsigned() == last {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drain.cancel();
        projecting.await.unwrap().unwrap();
        verify_database(&Source { store: &store, journal: &journal }, None, &[], i64::MAX).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_is_served_from_kurrentdb_and_by_the_next_owner() {
    let world = world().await;
    let first = Process::serving(&world.journal(), world.config.clone()).await;
    first.open_customers(2).await;
    for number in 1..=20 {
        first.insist(&a_request(), &a_post(number, issuance(), customer(1), 10)).await.unwrap();
    }
    assert_eq!((first.balance(issuance()).await, first.balance(customer(1)).await), (-200, 200));
    let (partition, journal) = (first.ledger.partition_of(tenant()), world.journal());
    for _ in 0..200 {
        if journal.latest_snapshot(partition).await.unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(journal.latest_snapshot(partition).await.unwrap().unwrap().sequence >= 5);
    first.kill();
    let second = Process::serving(&journal, world.config.clone()).await;
    assert_eq!(second.balance(customer(1)).await, 200);
    let again = a_post(20, issuance(), customer(1), 10);
    assert!(second.insist(&a_request(), &again).await.unwrap().repeated);
    second.insist(&a_request(), &a_post(21, customer(1), customer(2), 50)).await.unwrap();
    assert_eq!((second.balance(customer(1)).await, second.balance(customer(2)).await), (150, 50));
    let report = world.verify(&second, partition).await;
    assert_eq!(report.all_findings().collect::<Vec<_>>(), Vec::<&Finding>::new());
    assert_eq!(report.partitions[usize::from(partition)].operations, 21);
    let kinds = world.double.types(&format!("vbwd-ledger-{partition}"));
    assert!(kinds.iter().filter(|kind| *kind == "vbwd-ledger-fence").count() >= 2, "{kinds:?}");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_and_connections_neither_lose_nor_repeat_operations() {
    let world = world().await;
    let process = Process::serving(&world.journal(), world.config.clone()).await;
    process.open_customers(1).await;
    let late = Trouble::Late(Duration::from_millis(60));
    let troubles = [Trouble::AnswerLost, Trouble::Cut, late, Trouble::Unavailable, Trouble::NotLeader];
    for (number, trouble) in (1..=20).zip(troubles.into_iter().cycle()) {
        world.double.order([trouble]);
        let post = a_post(number, issuance(), customer(1), 1);
        let receipt = process.insist(&a_request(), &post).await.unwrap();
        assert!(!receipt.repeated, "after {trouble:?}");
    }
    assert_eq!((process.balance(issuance()).await, process.balance(customer(1)).await), (-20, 20));
    world.double.set_up(false);
    let (request, post) = (a_request(), a_post(21, issuance(), customer(1), 1));
    let insisting = process.insist(&request, &post);
    let early = tokio::time::timeout(Duration::from_millis(500), insisting).await;
    assert!(early.is_err(), "nothing is acknowledged while KurrentDB is away");
    world.double.set_up(true);
    process.insist(&request, &post).await.unwrap();
    assert_eq!(process.balance(customer(1)).await, 21);
    process.stop().await;
}

#[tokio::test]
async fn a_kurrentdb_that_cannot_be_used_is_refused_without_showing_its_address() {
    let database = testkit::database("wallet", wallet::migrations()).await;
    let config = Config {
        journal: JournalKind::KurrentDb,
        kurrentdb_url: Secret::from("postgres://ledger:hunter2@h/d"),
        ..config()
    };
    let refused = wallet::chosen_journal(&config, &Store::new(database.pool("wallet"))).err().unwrap();
    assert_eq!(refused.violations()[0].pointer, "/wallet/kurrentdb_url");
    assert!(!format!("{refused:?} {refused} {config:?}").contains("hunter2"));
}

#[tokio::test]
async fn the_journal_of_an_installation_stays_what_it_was_at_first() {
    let database = testkit::database("wallet", wallet::migrations()).await;
    let store = Store::new(database.pool("wallet"));
    store.settle_layout(4).await.unwrap();
    for _ in 0..2 {
        wallet::settle_journal(&store, JournalKind::KurrentDb).await.unwrap();
    }
    let refused = wallet::settle_journal(&store, JournalKind::Postgres).await.unwrap_err();
    assert_eq!(refused.violations()[0].code, "ledger_journal_differs");
}
