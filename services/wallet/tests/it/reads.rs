//! Entries: projected once, paged, waited for, closed to other tenants.

use journal::{AnyJournal, PostgresJournal};
use wallet::{History, PageRequest, Store, StoredEntry, Teller, run_projection};
use wallet_domain::samples::{a_post, a_request, customer, issuance, tenant};

use crate::fixtures::{Process, config};

pub struct World {
    pub database: testkit::TestDatabase,
    pub store: Store,
    pub journal: PostgresJournal,
    pub process: Process,
    pub history: History,
    pub teller: Teller,
}

/// A served ledger with its projections running.
pub async fn world() -> World {
    let database = testkit::database("wallet", wallet::migrations()).await;
    let store = Store::new(database.pool("wallet"));
    let journal = wallet::journal(&store);
    let process = Process::serving(&journal, config()).await;
    for partition in 0..process.ledger.partitions() {
        let (ledger, drain) = (process.ledger.clone(), process.drain.clone());
        tokio::spawn(run_projection(ledger, journal.clone(), store.clone(), partition, drain));
    }
    let history = History::new(store.clone(), process.ledger.clone(), AnyJournal::Postgres(journal.clone()));
    let teller = Teller::new(process.ledger.clone(), history.clone());
    World { database, store, journal, process, history, teller }
}

/// The entries of a row.
fn decode(payload: &[u8]) -> Vec<StoredEntry> {
    #[derive(prost::Message)]
    struct Row {
        #[prost(message, repeated, tag = "1")]
        entries: Vec<StoredEntry>,
    }
    <Row as prost::Message>::decode(payload).unwrap().entries
}

fn asked(size: i32, cursor: &str, min_position: &str) -> PageRequest {
    PageRequest {
        size,
        cursor: cursor.to_owned(),
        min_position: min_position.to_owned(),
        ..PageRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_shows_own_writes_newest_first_in_pages() {
    let world = world().await;
    world.process.open_customers(2).await;
    let mut last = String::new();
    for number in 1..=25 {
        let post = a_post(number, issuance(), customer(1), i64::from(number));
        last = world.process.ledger.execute(a_request(), post).await.unwrap().unwrap().position.to_string();
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            world.history.statement(tenant(), &[customer(1)], &asked(10, &cursor, &last)).await.unwrap();
        seen.extend(page.lines.into_iter().map(|line| line.entry));
        match page.next_cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    let amounts: Vec<_> = seen.iter().map(|line| line.amount).collect();
    assert_eq!(amounts, (1..=25).rev().collect::<Vec<_>>());
    assert_eq!((seen[0].balance_after, seen[0].reason.as_str()), (325, "purchase"));
    assert_eq!(seen[24].reference, "invoice/1");
    let other = world.history.statement(tenant(), &[customer(2)], &asked(0, "", &last)).await.unwrap();
    assert_eq!(other.lines, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_equal_the_journal_after_the_projection_was_restarted() {
    let world = world().await;
    world.process.open_customers(3).await;
    for number in 1..=60 {
        let post = a_post(number, issuance(), customer(1 + number % 3), 2);
        world.process.ledger.execute(a_request(), post).await.unwrap().unwrap();
    }
    let partition = world.process.ledger.partition_of(tenant());
    // A second replica projects the same partition: the cursor's row lets only one of them in.
    let other = run_projection(
        world.process.ledger.clone(),
        world.journal.clone(),
        world.store.clone(),
        partition,
        world.process.drain.clone(),
    );
    let other = tokio::spawn(other);
    for number in 61..=120 {
        let post = a_post(number, issuance(), customer(1 + number % 3), 2);
        let at = world.process.ledger.execute(a_request(), post).await.unwrap().unwrap().position.to_string();
        world.history.statement(tenant(), &[customer(1)], &asked(1, "", &at)).await.unwrap();
    }
    other.abort();
    let superuser = world.database.superuser("wallet");
    let payloads: Vec<(uuid::Uuid, i32, Vec<u8>)> = sqlx::query_as(
        "SELECT account_id, entries, payload FROM ledger_entries ORDER BY first_at, first_sequence, first_index",
    )
    .fetch_all(&superuser)
    .await
    .unwrap();
    let counted: i32 = payloads.iter().map(|(_, entries, _)| *entries).sum();
    let all: Vec<_> = payloads
        .iter()
        .flat_map(|(account, _, payload)| decode(payload).into_iter().map(move |entry| (*account, entry)))
        .collect();
    assert_eq!((counted, all.len(), all.iter().map(|(_, entry)| entry.amount).sum()), (240, 240, 0_i64));
    let of_issuance = all.iter().filter(|(account, _)| *account == issuance().as_uuid());
    let last = of_issuance.max_by_key(|(_, entry)| (entry.sequence, entry.index)).unwrap().1.balance_after;
    assert_eq!(last, world.process.balance(issuance()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_cursors_and_positions_are_refused() {
    let world = world().await;
    let elsewhere = format!("{}-1", 1 - world.process.ledger.partition_of(tenant()));
    for (cursor, position) in [("!", ""), ("AAAA", ""), ("", "x"), ("", elsewhere.as_str())] {
        let page = world.history.statement(tenant(), &[customer(1)], &asked(1, cursor, position)).await;
        assert_eq!(page.unwrap_err().code(), fault::Code::InvalidInput, "{cursor} {position}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_tenant_sees_nothing_even_without_a_where_clause() {
    let world = world().await;
    world.process.open_customers(1).await;
    let posted = world.process.ledger.execute(a_request(), a_post(1, issuance(), customer(1), 1)).await;
    let at = posted.unwrap().unwrap().position.to_string();
    world.history.statement(tenant(), &[customer(1)], &asked(1, "", &at)).await.unwrap();
    let count = |table: &'static str, tenant: ids::TenantId| {
        let pool = world.database.pool("wallet");
        async move {
            let mut transaction = pool.begin().await.unwrap();
            sqlx::query("SELECT set_config('vbwd.tenant_id', $1, true)")
                .bind(tenant.to_string())
                .execute(&mut *transaction)
                .await
                .unwrap();
            sqlx::query_scalar::<_, i64>(table).fetch_one(&mut *transaction).await
        }
    };
    for table in ["SELECT count(*) FROM ledger_entries", "SELECT count(*) FROM ledger_accounts"] {
        assert!(count(table, tenant()).await.unwrap() > 0, "{table}");
        assert_eq!(count(table, ids::TenantId::new()).await.unwrap(), 0, "{table}");
    }
    let rows = count("SELECT count(*) FROM ledger_entries_rows", tenant()).await.unwrap_err();
    assert_eq!(rows.as_database_error().unwrap().code().as_deref(), Some("42501"));
}
