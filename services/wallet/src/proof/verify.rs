//! Leads auditors through a database, or through a file.

use std::collections::BTreeMap;
use std::io::Read;
use std::str::FromStr;

use eventstore::{begin_whole, storage};
use fault::Fault;
use journal::{AnyJournal, Hash, Journal as _, JournalError, Snapshot};
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::archive::{ArchiveError, ArchiveReader};
use super::auditor::Auditor;
use super::export::PAGE;
use super::finding::{Check, Finding};
use super::report::Report;
use super::tables::Tables;
use crate::projection::unread;
use crate::store::{Store, WORKER};

/// The hash of a row that somebody noted earlier, `<partition>:<batch>:<hexadecimal hash>`: with it
/// nobody can rewrite history up to there, not even by computing the whole chain anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The partition.
    pub partition: u16,
    /// The batch.
    pub sequence: u64,
    /// Its hash.
    pub hash: Hash,
}

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.splitn(3, ':');
            let (partition, sequence, hash) = (parts.next()?, parts.next()?, parts.next()?);
            let digits: Vec<u8> = hash.bytes().filter(u8::is_ascii_hexdigit).collect();
            let bytes =
                digits.chunks_exact(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok());
            let bytes: Vec<u8> = bytes.collect::<Option<_>>()?;
            let is_whole = digits.len() == 64 && hash.len() == 64;
            let hash = bytes.try_into().ok().filter(|_| is_whole)?;
            Some(Self { partition: partition.parse().ok()?, sequence: sequence.parse().ok()?, hash })
        };
        read().ok_or_else(|| "expected <partition>:<batch>:<64 hexadecimal digits>".to_owned())
    }
}

/// A ledger in a database.
pub struct Source<'a> {
    /// Its tables.
    pub store: &'a Store,
    /// Its journal.
    pub journal: &'a AnyJournal,
}

/// Looks at the ledger in a database: all partitions or one. What is appended after `now_ms` (the
/// machine's time, milliseconds since 1970) need not be looked at, so that it ends while the ledger
/// is in use.
///
/// # Errors
/// When something could not be looked at.
pub async fn verify_database(
    source: &Source<'_>,
    only: Option<u16>,
    anchors: &[Anchor],
    now_ms: i64,
) -> fault::Result<Report> {
    let partitions = partitions(source.store).await?;
    if let Some(missing) = only.filter(|only| *only >= partitions) {
        return Err(Fault::not_found("partition").with_fact("partition", missing));
    }
    let mut report = Report::default();
    for partition in (0..partitions).filter(|partition| only.is_none_or(|only| only == *partition)) {
        let mut auditor = Box::pin(audit(source, partition, anchors, now_ms)).await?;
        report.partitions.push(std::mem::take(&mut auditor.report));
    }
    if only.is_none() {
        report.findings = strays(source.store, partitions).await?;
    }
    Ok(report)
}

/// How many partitions the installation has; none before its first start.
///
/// # Errors
/// When the database does not answer.
pub async fn partitions(store: &Store) -> fault::Result<u16> {
    let mut unit = store.worker().await?;
    let found: Option<i32> = sqlx::query_scalar("SELECT partitions FROM ledger_layout")
        .fetch_optional(&mut *unit)
        .await
        .map_err(storage)?;
    unit.commit().await.map_err(storage)?;
    u16::try_from(found.unwrap_or_default()).map_err(Fault::internal)
}

async fn audit(
    source: &Source<'_>,
    partition: u16,
    anchors: &[Anchor],
    now_ms: i64,
) -> fault::Result<Auditor> {
    let mut moment = one_moment(source.store).await?;
    let (projected, published) = cursors(&mut moment, partition).await?;
    let mut auditor =
        Auditor::new(partition).with_projected(projected).with_anchor(anchor(anchors, partition));
    let mut damaged = None;
    match snapshot(source.journal, partition).await? {
        Ok(snapshot) => auditor = auditor.with_snapshot(snapshot),
        Err(finding) => damaged = Some(finding),
    }
    replay(source.journal, &mut auditor, projected.max(published), now_ms).await?;
    auditor.close();
    if published > auditor.sequence() && !auditor.has_stopped() {
        let detail = format!("events are published up to batch {published}, the journal ends before");
        auditor.found(Finding::new(Check::Reach, partition, detail));
    }
    if !auditor.has_stopped() {
        let mut tables = Tables { connection: &mut moment, journal: source.journal, projected };
        tables.compare(&mut auditor).await?;
    }
    moment.rollback().await.map_err(storage)?;
    damaged.into_iter().for_each(|finding| auditor.found(finding));
    Ok(auditor)
}

/// A transaction that sees all tables as they are at its first statement, however long it takes.
async fn one_moment(store: &Store) -> fault::Result<Transaction<'static, Postgres>> {
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL ROLE {WORKER}; \
         SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL jit = off"
    );
    begin_whole(store.pool(), AssertSqlSafe(begin)).await.map_err(storage)
}

/// Up to which batch the tables and the broker have come.
async fn cursors(moment: &mut Transaction<'static, Postgres>, partition: u16) -> fault::Result<(u64, u64)> {
    let found: (i64, i64) = sqlx::query_as(
        "SELECT coalesce((SELECT projected FROM ledger_progress WHERE partition = $1), 0), \
         coalesce((SELECT sequence FROM ledger_published WHERE partition = $1), 0)",
    )
    .bind(i32::from(partition))
    .fetch_one(&mut **moment)
    .await
    .map_err(storage)?;
    Ok((u64::try_from(found.0).unwrap_or_default(), u64::try_from(found.1).unwrap_or_default()))
}

/// The newest snapshot. One that is replaced while it is read looks damaged, so it is read again.
async fn snapshot(journal: &AnyJournal, partition: u16) -> fault::Result<Result<Option<Snapshot>, Finding>> {
    for is_last in [false, true] {
        match journal.latest_snapshot(partition).await {
            Ok(found) => return Ok(Ok(found)),
            Err(JournalError::Corrupt(detail)) if is_last => {
                return Ok(Err(Finding::new(Check::Snapshot, partition, detail)));
            }
            Err(JournalError::Corrupt(_)) => {}
            Err(error) => return Err(unread(error)),
        }
    }
    Ok(Ok(None))
}

async fn replay(journal: &AnyJournal, auditor: &mut Auditor, goal: u64, now_ms: i64) -> fault::Result<()> {
    let mut last = 0;
    while !auditor.has_stopped() {
        let rows = match journal.read(auditor.partition, last, PAGE).await {
            Ok(rows) => rows,
            Err(JournalError::Corrupt(detail)) => {
                auditor.stop(Finding::new(Check::Chain, auditor.partition, detail));
                break;
            }
            Err(error) => return Err(unread(error)),
        };
        let Some(newest) = rows.last().map(|row| row.sequence) else { break };
        rows.iter().for_each(|row| auditor.take(row));
        last = newest;
        if last >= goal && auditor.at_ms > now_ms {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn anchor(anchors: &[Anchor], partition: u16) -> Option<(u64, Hash)> {
    anchors.iter().find(|anchor| anchor.partition == partition).map(|anchor| (anchor.sequence, anchor.hash))
}

const STRAYS: [(Check, &str); 6] = [
    (
        Check::EntriesTable,
        "SELECT account_id FROM ledger_entries WHERE partition NOT BETWEEN 0 AND $1 LIMIT 1",
    ),
    (
        Check::AccountsTable,
        "SELECT account_id FROM ledger_accounts WHERE partition NOT BETWEEN 0 AND $1 LIMIT 1",
    ),
    (
        Check::OperationsTable,
        "SELECT operation_id FROM ledger_operations WHERE partition NOT BETWEEN 0 AND $1 LIMIT 1",
    ),
    (
        Check::OperationsTable,
        "SELECT first_id FROM ledger_operation_chunks WHERE partition NOT BETWEEN 0 AND $1 LIMIT 1",
    ),
    (
        Check::MovementsTable,
        "SELECT lot_id FROM ledger_lot_movements WHERE partition NOT BETWEEN 0 AND $1 LIMIT 1",
    ),
    (
        Check::LotsTable,
        "SELECT lot_id FROM ledger_lots AS lot WHERE $1 >= 0 AND NOT EXISTS (SELECT FROM ledger_accounts AS account \
         WHERE (account.tenant_id, account.account_id) = (lot.tenant_id, lot.account_id)) LIMIT 1",
    ),
];

/// Rows that belong to no partition.
async fn strays(store: &Store, partitions: u16) -> fault::Result<Vec<Finding>> {
    let mut moment = one_moment(store).await?;
    let mut findings = Vec::new();
    for (check, query) in STRAYS {
        let found: Option<uuid::Uuid> = sqlx::query_scalar(query)
            .bind(i32::from(partitions) - 1)
            .fetch_optional(&mut *moment)
            .await
            .map_err(storage)?;
        findings.extend(
            found.map(|id| {
                Finding::new(check, partitions, format!("a row that belongs to no partition, {id}"))
            }),
        );
    }
    moment.rollback().await.map_err(storage)?;
    Ok(findings)
}

/// Looks at the journal in a file: all partitions that are in it, or one.
///
/// # Errors
/// When it is no such file, or cannot be read. A damaged one is a finding.
pub fn verify_archive(
    source: impl Read,
    only: Option<u16>,
    anchors: &[Anchor],
) -> Result<Report, ArchiveError> {
    let (mut auditors, mut report) = (BTreeMap::<u16, Auditor>::new(), Report::default());
    for archived in ArchiveReader::begin(source)? {
        let archived = match archived {
            Ok(archived) => archived,
            Err(damaged @ ArchiveError::Damaged { .. }) => {
                let partition = auditors.keys().next_back().copied().unwrap_or_default();
                report.findings.push(Finding::new(Check::Archive, partition, damaged.to_string()));
                break;
            }
            Err(error) => return Err(error),
        };
        let partition = archived.partition;
        if only.is_some_and(|only| only != partition) {
            continue;
        }
        let begin = || match archived.previous {
            Some(hash) => Auditor::behind(partition, archived.row.sequence.saturating_sub(1), hash),
            None => Auditor::new(partition),
        };
        let auditor = auditors.entry(partition);
        auditor.or_insert_with(|| begin().with_anchor(anchor(anchors, partition))).take(&archived.row);
    }
    for auditor in auditors.values_mut() {
        auditor.close();
        report.partitions.push(std::mem::take(&mut auditor.report));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read_and_others_refused() {
        let anchor: Anchor = format!("3:17:{}", "0a".repeat(32)).parse().unwrap();
        assert_eq!(anchor, Anchor { partition: 3, sequence: 17, hash: [10; 32] });
        for wrong in ["", "3", "3:17", "3:17:0a", "x:17:", &format!("3:17:{}", "0x".repeat(32))] {
            assert!(wrong.parse::<Anchor>().is_err(), "{wrong}");
        }
    }
}
