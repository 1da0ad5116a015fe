//! The tables that follow from the journal, compared with it.
//!
//! Tables are read once, as a stream, and digested; what was digested from the journal must be the
//! same for every account and batch. Only where it is not, both are read again to say what differs.

use fault::Fault;
use futures::TryStreamExt as _;
use ids::{AccountId, TenantId};
use journal::{AnyJournal, Journal as _};
use prost::Message as _;
use sqlx::{FromRow, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;
use wallet_domain::{Batch, entries};

use super::auditor::{Auditor, milliseconds};
use super::digest::{Rolling, Tally, slot};
use super::export::PAGE;
use super::facts::{LotRow, MovementRow, add_entry, add_row, index, lot_rows, micros, movement_rows, signed};
use super::finding::{Check, Finding};
use crate::history::chunk::{Chunk, StoredEntry};
use crate::projection::unread;

const ACCOUNTS: &str = "
SELECT number, tenant_id, account_id, kind, asset, owner_user_id, (extract(epoch FROM opened_at) * 1000000)::bigint AS opened_us
FROM ledger_accounts WHERE partition = $1 ORDER BY number";
const ENTRIES: &str = "
SELECT tenant_id, account_id, (extract(epoch FROM first_at) * 1000000)::bigint AS first_us, first_sequence,
    first_index, entries, payload
FROM ledger_entries WHERE partition = $1 AND ($2::uuid IS NULL OR (tenant_id, account_id) = ($2, $3))
ORDER BY tenant_id, account_id, ledger_entries.first_at, first_sequence, first_index";
const LOTS: &str = "
SELECT account.number, lot.tenant_id, lot.lot_id, lot.account_id, lot.source, lot.priority, lot.granted,
    (extract(epoch FROM lot.expires_at) * 1000000)::bigint AS expires_us
FROM ledger_lots AS lot JOIN ledger_accounts AS account USING (tenant_id, account_id)
WHERE account.partition = $1 AND ($2::bigint IS NULL OR account.number = $2)";
const MOVEMENTS: &str = "
SELECT tenant_id, lot_id, sequence, index, operation_id, kind, units_left, free_after, held_after,
    (extract(epoch FROM at) * 1000000)::bigint AS at_us
FROM ledger_lot_movements WHERE partition = $1 AND ($2::bigint IS NULL OR sequence = $2)";

#[derive(Debug, PartialEq, Eq, FromRow)]
struct AccountRow {
    number: i64,
    tenant_id: Uuid,
    account_id: Uuid,
    kind: i16,
    asset: String,
    owner_user_id: Option<Uuid>,
    opened_us: i64,
}

#[derive(FromRow)]
struct ChunkRow {
    tenant_id: Uuid,
    account_id: Uuid,
    first_us: i64,
    first_sequence: i64,
    first_index: i32,
    entries: i32,
    payload: Vec<u8>,
}

#[derive(FromRow)]
struct NumberedLot {
    number: i64,
    #[sqlx(flatten)]
    lot: LotRow,
}

/// A journal and the tables beside it, at one moment.
pub(super) struct Tables<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) journal: &'a AnyJournal,
    pub(super) projected: u64,
}

impl Tables<'_> {
    /// Compares every table with what the auditor has seen.
    pub(super) async fn compare(&mut self, auditor: &mut Auditor) -> fault::Result<()> {
        let began = Instant::now();
        let findings = [
            self.accounts(auditor).await?,
            self.entries(auditor).await?,
            self.operations(auditor).await?,
            self.lots(auditor).await?,
            self.movements(auditor).await?,
        ];
        findings.into_iter().flatten().for_each(|finding| auditor.found(finding));
        auditor.report.tables_milliseconds = milliseconds(began);
        Ok(())
    }

    async fn accounts(&mut self, auditor: &Auditor) -> fault::Result<Option<Finding>> {
        let wrong = |detail: String| Finding::new(Check::AccountsTable, auditor.partition, detail);
        let partition = i32::from(auditor.partition);
        let mut rows = sqlx::query_as::<_, AccountRow>(ACCOUNTS).bind(partition).fetch(&mut *self.connection);
        for number in 0..auditor.expected.accounts {
            let expected = account_row(auditor, number);
            let found = rows.try_next().await.map_err(unanswered)?;
            if found != expected {
                let detail = format!("the journal has {expected:?}, the table {found:?}");
                return Ok(Some(wrong(detail).about(expected.map(|row| row.account_id))));
            }
        }
        let more = rows.try_next().await.map_err(unanswered)?;
        Ok(more.map(|row| {
            wrong("an account that the journal does not have".to_owned()).about(Some(row.account_id))
        }))
    }

    async fn entries(&mut self, auditor: &mut Auditor) -> fault::Result<Option<Finding>> {
        let (partition, key) = (auditor.partition, auditor.expected.key);
        let (mut found, mut scratch) = (Vec::<Rolling>::new(), Vec::new());
        let mut last: Option<(Uuid, Uuid, u32)> = None;
        let rows = sqlx::query_as::<_, ChunkRow>(ENTRIES)
            .bind(i32::from(partition))
            .bind(None::<Uuid>)
            .bind(None::<Uuid>);
        let mut rows = rows.fetch(&mut *self.connection);
        while let Some(row) = rows.try_next().await.map_err(unanswered)? {
            let wrong = |detail: &str| {
                let finding =
                    Finding::new(Check::EntriesTable, partition, detail).about(Some(row.account_id));
                Some(finding.in_batch(u64::try_from(row.first_sequence).unwrap_or_default()))
            };
            let number = match last {
                Some((tenant, account, number)) if (tenant, account) == (row.tenant_id, row.account_id) => {
                    number
                }
                _ => match number_of(auditor, &row) {
                    Some(number) => number,
                    None => return Ok(wrong("entries of an account that the journal does not have")),
                },
            };
            last = Some((row.tenant_id, row.account_id, number));
            let Ok(chunk) = Chunk::decode(row.payload.as_slice()) else {
                return Ok(wrong("a chunk of entries that cannot be read"));
            };
            if !is_described(&row, &chunk) {
                return Ok(wrong("a chunk whose columns differ from the entries in it"));
            }
            let rolling = slot(&mut found, number as usize);
            chunk.entries.iter().for_each(|entry| add_entry(rolling, key, entry, &mut scratch));
        }
        drop(rows);
        auditor.report.entries = found.iter().map(|rolling| rolling.count).sum();
        match first_difference(&auditor.expected.entries, &found) {
            None => Ok(None),
            Some(number) => self.differing_entry(auditor, number).await.map(Some),
        }
    }

    /// The first entry of an account that is not the same in both.
    async fn differing_entry(&mut self, auditor: &Auditor, number: usize) -> fault::Result<Finding> {
        let account = &auditor.books.accounts[number];
        let tenant = auditor.books.tenants.get(account.tenant as usize).copied();
        let chunks = sqlx::query_as::<_, ChunkRow>(ENTRIES)
            .bind(i32::from(auditor.partition))
            .bind(tenant)
            .bind(account.id);
        let chunks: Vec<_> = chunks.fetch_all(&mut *self.connection).await.map_err(unanswered)?;
        let chunks = chunks.iter().filter_map(|row| Chunk::decode(row.payload.as_slice()).ok());
        let tabled: Vec<StoredEntry> = chunks.flat_map(|chunk| chunk.entries).collect();
        let mut place = 0;
        let differing = self.walk(auditor.partition, 1..=self.projected, |sequence, batch| {
            let own = entries(batch).filter(|entry| entry.account as usize == number);
            own.map(|entry| StoredEntry::new(sequence, &entry)).find_map(|expected| {
                let found = tabled.get(place);
                place += 1;
                (found != Some(&expected)).then(|| (expected, found.cloned()))
            })
        });
        let finding = |detail: String, entry: &StoredEntry| {
            let finding = Finding::new(Check::EntriesTable, auditor.partition, detail);
            finding.in_batch(entry.sequence).by(Some(entry.operation())).about(Some(account.id))
        };
        Ok(match (differing.await?, tabled.last()) {
            (Some((expected, None)), _) => finding(format!("no entry for {}", brief(&expected)), &expected),
            (Some((expected, Some(found))), _) => finding(
                format!("the journal has {}, the table {}", brief(&expected), brief(&found)),
                &expected,
            ),
            (None, Some(last)) => finding("entries that the journal does not have".to_owned(), last),
            (None, None) => finding("its entries differ".to_owned(), &StoredEntry::default()),
        })
    }

    async fn lots(&mut self, auditor: &Auditor) -> fault::Result<Option<Finding>> {
        let mut found = Vec::<Tally>::new();
        let query = sqlx::query_as::<_, NumberedLot>(LOTS);
        let query = query.bind(i32::from(auditor.partition)).bind(None::<i64>);
        let (mut rows, mut scratch) = (query.fetch(&mut *self.connection), Vec::new());
        let wrong = |detail: String| Finding::new(Check::LotsTable, auditor.partition, detail);
        while let Some(NumberedLot { number, lot }) = rows.try_next().await.map_err(unanswered)? {
            let place = usize::try_from(number).ok().filter(|number| *number < auditor.expected.accounts);
            let Some(place) = place else {
                let detail = format!("lot {} of an account that the journal does not have", lot.lot_id);
                return Ok(Some(wrong(detail).about(Some(lot.account_id))));
            };
            add_row(slot(&mut found, place), auditor.expected.key, &lot, &mut scratch);
        }
        drop(rows);
        let Some(number) = first_difference(&auditor.expected.lots, &found) else { return Ok(None) };
        let query = sqlx::query_as::<_, NumberedLot>(LOTS);
        let query = query.bind(i32::from(auditor.partition)).bind(Some(signed(number as u64)));
        let tabled = query.fetch_all(&mut *self.connection).await.map_err(unanswered)?;
        let tabled: Vec<_> = tabled.into_iter().map(|row| row.lot).collect();
        let mut expected = Vec::new();
        self.walk(auditor.partition, 1..=self.projected, |_, batch| {
            let own = lot_rows(&auditor.books, batch).into_iter();
            expected.extend(own.filter(|(account, _)| *account as usize == number).map(|(_, row)| row));
            None::<()>
        })
        .await?;
        let (row, detail) = difference(&expected, &tabled);
        let operation = row.map(|row| row.lot_id);
        let account = auditor.books.accounts.get(number).map(|account| account.id);
        Ok(Some(wrong(format!("lot {}: {detail}", operation.unwrap_or_default())).about(account)))
    }

    async fn movements(&mut self, auditor: &Auditor) -> fault::Result<Option<Finding>> {
        let (mut found, projected) = (Vec::<Tally>::new(), self.projected);
        let query = sqlx::query_as::<_, MovementRow>(MOVEMENTS);
        let query = query.bind(i32::from(auditor.partition)).bind(None::<i64>);
        let (mut rows, mut scratch) = (query.fetch(&mut *self.connection), Vec::new());
        while let Some(row) = rows.try_next().await.map_err(unanswered)? {
            let Some(place) = place_of(row.sequence, projected) else {
                let detail = format!("a row of batch {}, which is not in the tables", row.sequence);
                let finding = Finding::new(Check::MovementsTable, auditor.partition, detail);
                return Ok(Some(finding.by(Some(row.operation_id))));
            };
            add_row(slot(&mut found, place), auditor.expected.key, &row, &mut scratch);
        }
        drop(rows);
        let Some(place) = first_difference(&auditor.expected.movements, &found) else { return Ok(None) };
        let query = sqlx::query_as::<_, MovementRow>(MOVEMENTS);
        let query = query.bind(i32::from(auditor.partition)).bind(Some(signed(place as u64)));
        let tabled = query.fetch_all(&mut *self.connection).await.map_err(unanswered)?;
        let expected = self.batch_rows(auditor, place, movement_rows).await?;
        let (row, detail) = difference(&expected, &tabled);
        let finding = Finding::new(Check::MovementsTable, auditor.partition, detail);
        Ok(Some(finding.in_batch(place as u64).by(row.map(|row| row.operation_id))))
    }

    /// The rows that follow from one batch.
    pub(super) async fn batch_rows<T>(
        &self,
        auditor: &Auditor,
        place: usize,
        rows: fn(&super::Books, u64, &Batch) -> Vec<T>,
    ) -> fault::Result<Vec<T>> {
        let sequence = place as u64;
        let found = self.walk(auditor.partition, sequence..=sequence, |sequence, batch| {
            Some(rows(&auditor.books, sequence, batch))
        });
        Ok(found.await?.unwrap_or_default())
    }

    /// Reads batches again until `look` has found something.
    async fn walk<T>(
        &self,
        partition: u16,
        sequences: std::ops::RangeInclusive<u64>,
        mut look: impl FnMut(u64, &Batch) -> Option<T>,
    ) -> fault::Result<Option<T>> {
        let mut last = sequences.start().saturating_sub(1);
        loop {
            let rows = self.journal.read(partition, last, PAGE).await.map_err(unread)?;
            let past = rows.last().is_none_or(|row| row.sequence >= *sequences.end());
            for row in rows.iter().filter(|row| sequences.contains(&row.sequence)) {
                last = row.sequence;
                let batch = Batch::from_payload(&row.payload).map_err(Fault::internal)?;
                if let Some(found) = look(row.sequence, &batch) {
                    return Ok(Some(found));
                }
            }
            if past {
                return Ok(None);
            }
        }
    }
}

/// The place of a batch that is in the tables.
pub(super) fn place_of(sequence: i64, projected: u64) -> Option<usize> {
    let sequence = u64::try_from(sequence).ok()?;
    (1..=projected).contains(&sequence).then(|| index(sequence))
}

fn account_row(auditor: &Auditor, number: usize) -> Option<AccountRow> {
    let account = auditor.books.accounts.get(number)?;
    Some(AccountRow {
        number: signed(number as u64),
        tenant_id: auditor.books.tenants.get(account.tenant as usize).copied()?,
        account_id: account.id,
        kind: i16::try_from(account.kind).unwrap_or_default(),
        asset: auditor.books.assets.get(usize::from(account.asset)).cloned()?,
        owner_user_id: account.owner,
        opened_us: micros(account.opened_ms),
    })
}

fn number_of(auditor: &Auditor, row: &ChunkRow) -> Option<u32> {
    let (tenant, account) = (TenantId::from_uuid(row.tenant_id), AccountId::from_uuid(row.account_id));
    let number = auditor.number_of(tenant, account)?;
    ((number as usize) < auditor.expected.accounts).then_some(number)
}

/// Whether a chunk's columns say what is in it.
fn is_described(row: &ChunkRow, chunk: &Chunk) -> bool {
    let first = chunk.entries.first();
    let first = first.map(|entry| (micros(entry.at_ms), signed(entry.sequence), i64::from(entry.index)));
    first == Some((row.first_us, row.first_sequence, i64::from(row.first_index)))
        && usize::try_from(row.entries) == Ok(chunk.entries.len())
}

/// The first place at which two lists of digests differ; what is missing counts as empty.
pub(super) fn first_difference<T: Default + PartialEq + Copy>(expected: &[T], found: &[T]) -> Option<usize> {
    let at = |list: &[T], place: usize| list.get(place).copied().unwrap_or_default();
    (0..expected.len().max(found.len())).find(|place| at(expected, *place) != at(found, *place))
}

/// The first row that is not in both lists, and what that means.
pub(super) fn difference<'a, T: PartialEq + std::fmt::Debug>(
    expected: &'a [T],
    found: &'a [T],
) -> (Option<&'a T>, String) {
    let missing = expected.iter().find(|row| !found.contains(row));
    let surplus = found.iter().find(|row| !expected.contains(row));
    match (missing, surplus) {
        (Some(missing), Some(other)) => {
            (Some(missing), format!("the journal has {missing:?}, the table {other:?}"))
        }
        (Some(missing), None) => (Some(missing), "the table has no row for it".to_owned()),
        (None, Some(surplus)) => (Some(surplus), "the journal does not have it".to_owned()),
        (None, None) => (found.first(), "the table has a row twice".to_owned()),
    }
}

fn brief(entry: &StoredEntry) -> String {
    let StoredEntry { sequence, index, amount, balance_after, at_ms, reason, reference, .. } = entry;
    format!(
        "entry {sequence}/{index} of {amount} to a balance of {balance_after} at {at_ms} for {reason:?}, {reference:?}"
    )
}

pub(super) fn unanswered(error: sqlx::Error) -> Fault {
    eventstore::storage(error)
}
