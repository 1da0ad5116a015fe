//! Whatever is altered is found, and found where it is.

use std::sync::Arc;
use std::time::Duration;

use journal::{AnyJournal, Chain, Claim, Holder, Journal as _, Row, Snapshot};
use kernel::SystemClock;
use runtime::Drain;
use serde_json::Value;
use sqlx::PgPool;
use wallet::engine::Ledger;
use wallet::proof::*;
use wallet::{Config, Store, run_projection};
use wallet_domain::samples::{customer, tenant};
use wallet_domain::{Batch, PartitionState, encode_snapshot};

use crate::everything::Everything;
use crate::fixtures::config;

/// Long after all batches.
const LATER_MS: i64 = i64::MAX;

fn audited(rows: &[Row]) -> PartitionReport {
    let mut auditor = Auditor::new(0);
    rows.iter().for_each(|row| auditor.take(row));
    auditor.close();
    auditor.into_report()
}

fn first(report: &PartitionReport) -> (Check, Option<u64>) {
    let finding = report.findings.first().expect("a finding");
    println!("{finding}");
    (finding.check, finding.sequence)
}

/// The same batches, one of them altered, under hashes that fit: what somebody does who can compute.
fn resealed(everything: &Everything, nth: usize, alter: impl FnOnce(&mut Batch)) -> Vec<Row> {
    let mut batches = everything.batches.clone();
    alter(&mut batches[nth]);
    let mut chain = Chain::start(0);
    batches.iter().map(|batch| chain.seal(1, batch.to_payload())).collect()
}

#[test]
fn a_journal_of_every_kind_of_operation_is_sound() {
    let everything = Everything::new();
    let report = audited(&everything.rows);
    assert_eq!(report.findings, []);
    let operations: usize = everything.batches.iter().map(|batch| batch.operations.len()).sum();
    assert_eq!(report.operations, operations as u64);
    assert_eq!((report.accounts, report.open_holds), (9, 1));
    assert_eq!(report.last_sequence, everything.rows.len() as u64);
}

#[test]
fn an_altered_row_is_found_by_the_chain() {
    let rows = Everything::new().rows;
    let altered = |alter: &dyn Fn(&mut Vec<Row>)| {
        let mut rows = rows.clone();
        alter(&mut rows);
        first(&audited(&rows))
    };
    assert_eq!(altered(&|rows| rows[4].payload[9] ^= 1), (Check::Chain, Some(5)));
    assert_eq!(altered(&|rows| rows[4].hash[31] ^= 1), (Check::Chain, Some(5)));
    assert_eq!(altered(&|rows| drop(rows.remove(4))), (Check::Chain, Some(6)));
    assert_eq!(altered(&|rows| rows.swap(4, 5)), (Check::Chain, Some(6)));
    assert_eq!(altered(&|rows| rows[4].epoch = 0), (Check::Epoch, Some(5)));
}

#[test]
fn what_breaks_a_rule_is_found_under_hashes_that_fit() {
    let everything = Everything::new();
    let last = everything.batches.len() - 1;
    let altered = |nth: usize, alter: &dyn Fn(&mut Batch)| {
        let report = audited(&resealed(&everything, nth, |batch| alter(batch)));
        let found = first(&report);
        assert_eq!(found.1, Some(nth as u64 + 1));
        found.0
    };
    assert_eq!(altered(last, &|batch| batch.postings[0].amount += 1), Check::Conservation);
    assert_eq!(altered(last, &|batch| batch.postings[0].credit_after += 1), Check::Conservation);
    assert_eq!(altered(last, &|batch| batch.postings[0].credit = 0), Check::Conservation);
    assert_eq!(altered(last, &|batch| batch.postings[0].credit = 7), Check::Conservation);
    assert_eq!(altered(last, &|batch| batch.postings[0].credit = 99), Check::Decode);
    let twice = |batch: &mut Batch| {
        let first = batch.operations[0].clone();
        (batch.operations[1].id_high, batch.operations[1].id_low) = (first.id_high, first.id_low);
    };
    assert_eq!(altered(last, &twice), Check::Replay);
    assert_eq!(altered(last, &|batch| drop(batch.operations.pop())), Check::Decode);
    assert_eq!(altered(last, &|batch| batch.format = 99), Check::Decode);
    // Batch 4 places holds, batch 2 grants lots, batch 8 spends on credit.
    assert_eq!(altered(3, &|batch| drop(batch.effects.pop())), Check::Decode);
    let overdraft = |batch: &mut Batch| {
        let Some(wallet_domain::effect::Change::AccountChanged(changed)) = batch.effects[1].change.as_mut()
        else {
            panic!("{:?}", batch.effects)
        };
        changed.overdraft = 10;
    };
    let rows = resealed(&everything, 6, overdraft);
    let report = audited(&rows);
    assert_eq!(first(&report), (Check::Availability, Some(8)));
    assert_eq!(report.findings[0].account, Some(customer(3).as_uuid()));
    for nth in 0..everything.batches.len() {
        for effect in 0..everything.batches[nth].effects.len() {
            let rows = resealed(&everything, nth, |batch| {
                let amount = match batch.effects[effect].change.as_mut().unwrap() {
                    wallet_domain::effect::Change::LotMoved(lot) => &mut lot.free,
                    wallet_domain::effect::Change::LotJoined(lot) => &mut lot.free,
                    wallet_domain::effect::Change::LotOpened(lot) => &mut lot.amount,
                    wallet_domain::effect::Change::HoldPlaced(hold) => &mut hold.amount,
                    wallet_domain::effect::Change::HoldReduced(hold) => &mut hold.left,
                    wallet_domain::effect::Change::Used(used) => &mut used.quantity,
                    _ => return,
                };
                *amount += 1;
            });
            let is_altered = rows.last().unwrap().hash != everything.rows.last().unwrap().hash;
            assert_eq!(audited(&rows).findings.is_empty(), !is_altered, "batch {nth}, effect {effect}");
        }
    }
}

/// A history that was written anew, hashes and all, differs from a hash that was noted.
#[test]
fn a_rewritten_history_is_found_by_a_noted_hash() {
    let everything = Everything::new();
    let noted = everything.rows.last().unwrap();
    let rewritten = resealed(&everything, 2, |batch| batch.operations[0].reference = "another".to_owned());
    assert_eq!(audited(&rewritten).findings, [], "by itself it is sound");
    let mut auditor = Auditor::new(0).with_anchor(Some((noted.sequence, noted.hash)));
    rewritten.iter().for_each(|row| auditor.take(row));
    auditor.close();
    assert_eq!(first(&auditor.into_report()), (Check::Chain, Some(noted.sequence)));
    let mut auditor = Auditor::new(0).with_anchor(Some((noted.sequence, noted.hash)));
    everything.rows[..3].iter().for_each(|row| auditor.take(row));
    auditor.close();
    assert_eq!(first(&auditor.into_report()).0, Check::Reach);
}

/// A journal in a database, projected, with a snapshot.
struct World {
    _database: testkit::TestDatabase,
    superuser: PgPool,
    store: Store,
    journal: AnyJournal,
    projecting: Drain,
}

async fn world(rows: &[Row], snapshot: Option<Snapshot>) -> World {
    let database = testkit::database("wallet", wallet::migrations()).await;
    let store = Store::new(database.pool("wallet"));
    store.settle_layout(2).await.unwrap();
    let journal = wallet::chosen_journal(&Config::default(), &store).unwrap();
    let holder = Holder { owner: "test".to_owned(), address: String::new() };
    let Claim::Granted(lease) = journal.acquire(0, &holder, Duration::from_secs(600)).await.unwrap() else {
        panic!("held")
    };
    for row in rows {
        journal.append(lease, row).await.unwrap();
    }
    if let Some(snapshot) = snapshot {
        journal.save_snapshot(lease, &snapshot).await.unwrap();
    }
    let superuser = database.superuser("wallet");
    let world = World { _database: database, superuser, store, journal, projecting: Drain::new() };
    world.project(rows.len()).await;
    world
}

impl World {
    async fn project(&self, goal: usize) {
        let ledger = Ledger::new(config(), Arc::new(SystemClock));
        let drain = self.projecting.clone();
        let projecting = run_projection(ledger, self.journal.clone(), self.store.clone(), 0, drain.clone());
        let projecting = tokio::spawn(projecting);
        let query = "SELECT coalesce(max(projected), 0) FROM ledger_progress WHERE partition = 0";
        for _ in 0..20_000 {
            let projected: i64 = sqlx::query_scalar(query).fetch_one(&self.superuser).await.unwrap();
            if projected == goal as i64 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        drain.cancel();
        projecting.await.unwrap().unwrap();
    }

    async fn verify(&self) -> Report {
        let source = Source { store: &self.store, journal: &self.journal };
        verify_database(&source, None, &[], LATER_MS).await.unwrap()
    }

    async fn run(&self, sql: &'static str) {
        for statement in sql.split(';') {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&self.superuser).await.unwrap();
        }
    }
}

const KEEP: &str = "CREATE SCHEMA kept; CREATE TABLE kept.a AS TABLE journal; \
    CREATE TABLE kept.b AS TABLE journal_snapshots; CREATE TABLE kept.c AS TABLE journal_snapshot_chunks; \
    CREATE TABLE kept.d AS TABLE ledger_entries_rows; CREATE TABLE kept.e AS TABLE ledger_operations_rows; \
    CREATE TABLE kept.f AS TABLE ledger_accounts; CREATE TABLE kept.g AS TABLE ledger_lots; \
    CREATE TABLE kept.h AS TABLE ledger_lot_movements; CREATE TABLE kept.i AS TABLE ledger_progress; \
    CREATE TABLE kept.j AS TABLE ledger_operation_chunks_rows";
const RESTORE: &str = "TRUNCATE journal, journal_snapshots, journal_snapshot_chunks, ledger_entries_rows, \
    ledger_operations_rows, ledger_operation_chunks_rows, ledger_accounts, ledger_lots, ledger_lot_movements, ledger_progress; \
    INSERT INTO journal TABLE kept.a; INSERT INTO journal_snapshots TABLE kept.b; \
    INSERT INTO journal_snapshot_chunks TABLE kept.c; INSERT INTO ledger_entries_rows TABLE kept.d; \
    INSERT INTO ledger_operations_rows TABLE kept.e; INSERT INTO ledger_accounts TABLE kept.f; \
    INSERT INTO ledger_lots TABLE kept.g; INSERT INTO ledger_lot_movements TABLE kept.h; \
    INSERT INTO ledger_progress TABLE kept.i; INSERT INTO ledger_operation_chunks_rows TABLE kept.j";

/// What somebody with all rights does, and where that is found; 0 stands for no batch in particular.
const TAMPERED: [(&str, Check, u64); 30] = [
    (
        "UPDATE journal SET payload = set_byte(payload, 9, get_byte(payload, 9) # 1) WHERE sequence = 3",
        Check::Chain,
        3,
    ),
    (
        "UPDATE journal SET hash = set_byte(hash, 9, get_byte(hash, 9) # 1) WHERE sequence = 3",
        Check::Chain,
        3,
    ),
    ("DELETE FROM journal WHERE sequence = 4", Check::Chain, 5),
    (
        "UPDATE journal SET payload = other.payload, hash = other.hash FROM journal AS other \
      WHERE other.sequence = 7 - journal.sequence AND journal.sequence IN (3, 4)",
        Check::Chain,
        3,
    ),
    ("UPDATE journal SET epoch = 0 WHERE sequence = 4", Check::Epoch, 4),
    ("DELETE FROM journal WHERE sequence = (SELECT max(sequence) FROM journal)", Check::Reach, 0),
    ("UPDATE ledger_progress SET projected = projected + 1", Check::Reach, 0),
    (
        "DELETE FROM ledger_entries WHERE ctid = (SELECT min(ctid) FROM ledger_entries_rows)",
        Check::EntriesTable,
        0,
    ),
    (
        "UPDATE ledger_entries SET payload = set_byte(payload, octet_length(payload) - 1, 0)",
        Check::EntriesTable,
        2,
    ),
    ("UPDATE ledger_entries SET entries = entries + 1", Check::EntriesTable, 0),
    ("UPDATE ledger_entries SET first_at = first_at + interval '1 s'", Check::EntriesTable, 0),
    ("UPDATE ledger_entries SET account_id = tenant_id", Check::EntriesTable, 0),
    ("INSERT INTO ledger_entries TABLE ledger_entries", Check::EntriesTable, 0),
    ("DELETE FROM ledger_operations WHERE sequence = 5", Check::OperationsTable, 5),
    ("UPDATE ledger_operations SET tenant_id = operation_id WHERE sequence = 5", Check::OperationsTable, 5),
    (
        "INSERT INTO ledger_operations SELECT * FROM ledger_operations WHERE sequence = 5",
        Check::OperationsTable,
        5,
    ),
    (
        "UPDATE ledger_operations SET sequence = 9000000000000000000 WHERE sequence = 5",
        Check::OperationsTable,
        0,
    ),
    ("UPDATE ledger_operations SET partition = 99 WHERE sequence = 5", Check::OperationsTable, 5),
    (
        "DELETE FROM ledger_operation_chunks WHERE first_id = (SELECT first_id FROM ledger_operation_chunks ORDER BY first_id LIMIT 1)",
        Check::OperationsTable,
        0,
    ),
    ("UPDATE ledger_operation_chunks SET slot = slot + 1", Check::OperationsTable, 0),
    ("UPDATE ledger_operation_chunks SET last_id = first_id", Check::OperationsTable, 0),
    (
        "UPDATE ledger_operation_chunks \
      SET payload = set_byte(payload, octet_length(payload) - 1, get_byte(payload, octet_length(payload) - 1) # 1)",
        Check::OperationsTable,
        0,
    ),
    ("INSERT INTO ledger_operation_chunks TABLE ledger_operation_chunks", Check::OperationsTable, 0),
    ("UPDATE ledger_operation_chunks SET partition = 99", Check::OperationsTable, 0),
    ("UPDATE ledger_accounts SET kind = 2 WHERE number = 1", Check::AccountsTable, 0),
    ("UPDATE ledger_lots SET granted = granted + 1", Check::LotsTable, 0),
    (
        "UPDATE ledger_lot_movements SET free_after = free_after + 1 WHERE sequence = 5",
        Check::MovementsTable,
        5,
    ),
    (
        "DELETE FROM ledger_lot_movements WHERE sequence = 5 AND index = (SELECT min(index) FROM ledger_lot_movements WHERE sequence = 5)",
        Check::MovementsTable,
        5,
    ),
    (
        "UPDATE journal_snapshot_chunks SET payload = set_byte(payload, 200, get_byte(payload, 200) # 1)",
        Check::Snapshot,
        0,
    ),
    (
        "UPDATE journal_snapshot_chunks SET payload = set_byte(payload, 200, get_byte(payload, 200) # 1); \
      UPDATE journal_snapshots SET digest = (SELECT sha256(payload) FROM journal_snapshot_chunks)",
        Check::Snapshot,
        10,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_altered_in_the_database_is_found_where_it_is() {
    let everything = Everything::new();
    let mut state = PartitionState::default();
    for (sequence, batch) in (1..=10).zip(&everything.batches) {
        state.apply(sequence, batch).unwrap();
    }
    let snapshot = Snapshot { sequence: 10, hash: everything.rows[9].hash, payload: encode_snapshot(&state) };
    let world = world(&everything.rows, Some(snapshot)).await;
    let report = world.verify().await;
    assert!(report.is_clean(), "{report}");
    println!("{report}");
    let looked_at = &report.partitions[0];
    let last = everything.rows.len() as u64;
    assert_eq!((looked_at.snapshot_sequence, looked_at.projected_sequence), (Some(10), Some(last)));
    let postings: usize = everything.batches.iter().map(|batch| batch.postings.len()).sum();
    assert_eq!(looked_at.entries, 2 * postings as u64);
    world.run(KEEP).await;
    for (sql, check, sequence) in TAMPERED {
        world.run(sql).await;
        let report = world.verify().await;
        let found = report.all_findings().next().unwrap_or_else(|| panic!("nothing was found: {sql}"));
        println!("{found}");
        assert_eq!(found.check, check, "{sql}: {found}");
        assert!(sequence == 0 || found.sequence == Some(sequence), "{sql}: {found}");
        let by_account = matches!(check, Check::EntriesTable | Check::AccountsTable | Check::LotsTable);
        assert_eq!(found.account.is_some(), by_account, "{found}");
        world.run(RESTORE).await;
    }
    assert!(world.verify().await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_verified_without_a_database_and_read_by_people() {
    let everything = Everything::new();
    let world = world(&everything.rows, None).await;
    let mut file = Vec::new();
    let exported = export_archive(&world.journal, 0..2, 1, &mut file).await.unwrap();
    assert_eq!(exported.batches, everything.rows.len() as u64);
    let report = verify_archive(file.as_slice(), None, &[]).unwrap();
    assert!(report.is_clean(), "{report}");
    let by_database = world.verify().await;
    assert_eq!(report.operations(), by_database.operations());
    assert_eq!(report.partitions[0].head, by_database.partitions[0].head);
    let anchor: Anchor =
        format!("0:{}:{}", everything.rows.len(), report.partitions[0].head).parse().unwrap();
    assert!(verify_archive(file.as_slice(), None, &[anchor]).unwrap().is_clean());
    for place in (0..file.len()).step_by(97) {
        let mut altered = file.clone();
        altered[place] ^= 0x10;
        let is_clean = verify_archive(altered.as_slice(), None, &[]).is_ok_and(|report| report.is_clean());
        assert!(!is_clean || is_epoch(&altered, &everything), "byte {place}");
    }
    let mut tail = Vec::new();
    export_archive(&world.journal, [0], 5, &mut tail).await.unwrap();
    let report = verify_archive(tail.as_slice(), None, &[]).unwrap();
    assert!(report.is_clean() && report.partitions[0].first_sequence == 5, "{report}");
    lines_are_complete(&world, &everything).await;
}

/// An epoch that was raised everywhere is not in the chain.
fn is_epoch(altered: &[u8], everything: &Everything) -> bool {
    let rows: Vec<_> = ArchiveReader::begin(altered).unwrap().map(|row| row.unwrap().row).collect();
    rows.iter()
        .zip(&everything.rows)
        .all(|(one, other)| one.hash == other.hash && one.payload == other.payload)
}

async fn lines_are_complete(world: &World, everything: &Everything) {
    let mut text = Vec::new();
    let exported = export_lines(&world.journal, [0], 1, &mut text).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(exported.lines, lines.len() as u64);
    let operations: Vec<_> = lines.iter().filter(|line| line["type"] == "operation").collect();
    let count: usize = everything.batches.iter().map(|batch| batch.operations.len()).sum();
    assert_eq!((operations.len(), lines.len() - operations.len()), (count, 9));
    println!("{}\n{}", lines[0], operations[7]);
    for operation in &operations {
        assert_eq!(operation["tenant_id"], tenant().to_string(), "{operation}");
        assert!(operation["kind"].is_string() && operation["actor"].is_string(), "{operation}");
        assert!(!operation["postings"].as_array().unwrap().iter().any(|posting| posting["asset"].is_null()));
    }
    let id = customer(1).to_string();
    let balance =
        operations.iter().flat_map(|line| line["postings"].as_array().unwrap()).fold(0, |sum, posting| {
            let amount: i64 = posting["amount"].as_str().unwrap().parse().unwrap();
            let credit = if posting["credit_account_id"] == id.as_str() { amount } else { 0 };
            let debit = if posting["debit_account_id"] == id.as_str() { amount } else { 0 };
            sum + credit - debit
        });
    let state = everything.writer.state();
    assert_eq!(balance, state.account(tenant(), customer(1)).unwrap().balance);
    let mut later = Vec::new();
    export_lines(&world.journal, [0], 5, &mut later).await.unwrap();
    let later = String::from_utf8(later).unwrap();
    assert!(text.ends_with(&later) && !later.contains("\"account\",\"partition\""), "the same lines, fewer");
}

/// How long a million operations take: `cargo test -p wallet --test it -- --ignored million --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a while"]
async fn a_million_operations_are_verified() {
    use wallet_domain::samples::{NOON_MS, a_customer, a_post, a_request, an_issuance, issuance};
    use wallet_domain::{OpenAccount, Writer};
    let (mut writer, mut chain, mut rows) =
        (Writer::new(PartitionState::default(), 1 << 20), Chain::start(0), Vec::new());
    for terms in std::iter::once(an_issuance()).chain((0..10_000).map(a_customer)) {
        writer.open_account(&a_request(), &OpenAccount { terms }, NOON_MS).unwrap();
    }
    for number in 0..1_000_000_u32 {
        let mut post = a_post(number, issuance(), customer(number.wrapping_mul(2_654_435_761) % 10_000), 5);
        post.note.reference = String::new();
        writer.execute(&a_request(), &post, NOON_MS).unwrap();
        if number % 8_190 == 8_189 || number == 999_999 {
            let (_, batch) = writer.cut().unwrap();
            rows.push(chain.seal(1, batch.to_payload()));
        }
    }
    drop(writer);
    let world = world(&rows, None).await;
    drop(rows);
    let began = std::time::Instant::now();
    let report = world.verify().await;
    println!("{report}{:?}, peak {}", began.elapsed(), peak());
    assert!(report.is_clean());
    let (began, mut file) = (std::time::Instant::now(), Vec::new());
    export_archive(&world.journal, [0], 1, &mut file).await.unwrap();
    println!("exported {} MB in {:?}", file.len() >> 20, began.elapsed());
    let began = std::time::Instant::now();
    assert!(verify_archive(file.as_slice(), None, &[]).unwrap().is_clean());
    println!("verified the file in {:?}", began.elapsed());
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned()
}
