//! Statements, newest first, and balances as of a time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::storage;
use fault::Fault;
use ids::{AccountId, TenantId};
use jiff::Timestamp;
use prost::Message as _;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;
use wallet_domain::Kind;

use super::History;
use super::chunk::{Chunk, StoredEntry};

const PAGE_DEFAULT: i32 = 50;
const PAGE_MAX: i32 = 200;
/// Chunks that are looked at for one page: a filter that lets little through answers a short page
/// with a cursor rather than reading a whole past at once.
const CHUNKS_MAX: usize = 2_000;

/// Chunks of some accounts, the newest of each first. They overlap with nothing of the same account.
const CHUNKS: &str = "
SELECT wanted.account, chunk.first_at, chunk.first_sequence, chunk.first_index, chunk.payload
FROM unnest($2::uuid[]) AS wanted (account), LATERAL (
    SELECT first_at, first_sequence, first_index, payload FROM ledger_entries
    WHERE tenant_id = $1 AND account_id = wanted.account
      AND (first_at, first_sequence, first_index) < ($3, $4, $5)
    ORDER BY first_at DESC, first_sequence DESC, first_index DESC LIMIT $6
) AS chunk";

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryLine {
    /// Whose side of the posting it is.
    pub account: AccountId,
    /// What was recorded.
    pub entry: StoredEntry,
}

/// One page of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub lines: Vec<EntryLine>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

/// What a page of a statement is asked with.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// 0 means 50, more than 200 means 200.
    pub size: i32,
    /// Of the page before; empty for the first.
    pub cursor: String,
    /// Wait for this position; empty for none.
    pub min_position: String,
    /// Which lines.
    pub filter: Filter,
}

/// Which lines of a statement; what is absent lets everything through.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// At or after, milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Before.
    pub until_ms: Option<i64>,
    /// Why.
    pub reason: String,
    /// What it belongs to.
    pub reference: String,
    /// Which kind of operation.
    pub kind: Option<Kind>,
    /// Only what came in (true) or what left (false).
    pub incoming: Option<bool>,
}

/// A place in a statement: everything before it is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at_ms: i64,
    sequence: u64,
    index: u32,
}

impl Filter {
    fn lets_through(&self, entry: &StoredEntry) -> bool {
        self.until_ms.is_none_or(|until| entry.at_ms < until)
            && self.from_ms.is_none_or(|from| entry.at_ms >= from)
            && (self.reason.is_empty() || entry.reason == self.reason)
            && (self.reference.is_empty() || entry.reference == self.reference)
            && self.kind.is_none_or(|kind| entry.kind == u32::from(kind as u8))
            && self.incoming.is_none_or(|incoming| (entry.amount > 0) == incoming)
    }
}

impl PageRequest {
    pub(super) fn page_size(&self) -> usize {
        let size = if self.size <= 0 { PAGE_DEFAULT } else { self.size.min(PAGE_MAX) };
        usize::try_from(size).unwrap_or_default()
    }
}

impl History {
    /// The entries of some accounts of a tenant, newest first.
    ///
    /// # Errors
    /// A malformed cursor or position, `position_not_reached`, or faults of the database.
    pub async fn statement(
        &self,
        tenant: TenantId,
        accounts: &[AccountId],
        asked: &PageRequest,
    ) -> fault::Result<Page> {
        let mut before = Place::read(&asked.cursor)?;
        if let Some(until_ms) = asked.filter.until_ms {
            before = before.min(Place { at_ms: until_ms, sequence: 0, index: 0 });
        }
        self.reach(tenant, &asked.min_position).await?;
        let (size, mut lines, mut looked_at) = (asked.page_size(), Vec::new(), 0);
        let mut reading = self.store.read(tenant).await?;
        let next = loop {
            let step = step(&mut reading, (tenant, accounts), before, size.max(16)).await?;
            looked_at += step.chunks;
            lines.extend(step.lines.into_iter().filter(|line| asked.filter.lets_through(&line.entry)));
            let Some(older) = step.older else { break None };
            let is_over = asked.filter.from_ms.is_some_and(|from| older.at_ms < from);
            if lines.len() > size || is_over || looked_at >= CHUNKS_MAX {
                break (!is_over).then_some(older);
            }
            before = older;
        };
        reading.rollback().await.map_err(storage)?;
        let more = lines.len() > size;
        lines.truncate(size);
        let next_cursor = if more { lines.last().map(|line| Place::of(&line.entry)) } else { next };
        Ok(Page { lines, next_cursor: next_cursor.map(Place::write) })
    }

    /// The balance of an account after everything up to a time of the tenant, milliseconds since
    /// 1970; 0 before its first entry.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn balance_as_of(
        &self,
        tenant: TenantId,
        account: AccountId,
        at_ms: i64,
    ) -> fault::Result<i64> {
        // The history must include everything that is durable now.
        let (now, ()) = self.ledger.look(tenant, |_| ()).await?;
        self.reach_position(now).await?;
        let before = Place { at_ms: at_ms.saturating_add(1), sequence: 0, index: 0 };
        let mut reading = self.store.read(tenant).await?;
        let step = step(&mut reading, (tenant, &[account]), before, 1).await?;
        reading.rollback().await.map_err(storage)?;
        Ok(step.lines.first().map_or(0, |line| line.entry.balance_after))
    }
}

/// Some lines before a place.
struct Step {
    /// Newest first, complete down to `older`.
    lines: Vec<EntryLine>,
    chunks: usize,
    /// Where older lines are, if there are any.
    older: Option<Place>,
}

type ChunkRow = (Uuid, jiff_sqlx::Timestamp, i64, i32, Vec<u8>);

async fn step(
    reading: &mut Transaction<'static, Postgres>,
    (tenant, accounts): (TenantId, &[AccountId]),
    before: Place,
    limit: usize,
) -> fault::Result<Step> {
    let ids: Vec<Uuid> = accounts.iter().map(|account| account.as_uuid()).collect();
    let rows: Vec<ChunkRow> = sqlx::query_as(CHUNKS)
        .bind(tenant.as_uuid())
        .bind(ids)
        .bind(jiff_sqlx::Timestamp::from(before.timestamp()))
        .bind(i64::try_from(before.sequence).unwrap_or(i64::MAX))
        .bind(i32::try_from(before.index).unwrap_or(i32::MAX))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut **reading)
        .await
        .map_err(storage)?;
    let older = accounts.iter().filter_map(|account| oldest(&rows, *account, limit)).max();
    let mut lines = Vec::new();
    for (account, _, _, _, payload) in &rows {
        let chunk = Chunk::decode(payload.as_slice()).map_err(Fault::internal)?;
        let account = AccountId::from_uuid(*account);
        let wanted = |entry: &StoredEntry| {
            let place = Place::of(entry);
            place < before && older.is_none_or(|older| place >= older)
        };
        lines.extend(chunk.entries.into_iter().filter(wanted).map(|entry| EntryLine { account, entry }));
    }
    lines.sort_unstable_by_key(|line| std::cmp::Reverse(Place::of(&line.entry)));
    Ok(Step { lines, chunks: rows.len(), older })
}

/// Down to where an account's lines are complete; none when all of them were found.
fn oldest(rows: &[ChunkRow], account: AccountId, limit: usize) -> Option<Place> {
    let own = rows.iter().filter(|row| row.0 == account.as_uuid());
    let places = own.map(|(_, at, sequence, index, _)| Place {
        at_ms: at.to_jiff().as_millisecond(),
        sequence: u64::try_from(*sequence).unwrap_or_default(),
        index: u32::try_from(*index).unwrap_or_default(),
    });
    let places: Vec<_> = places.collect();
    if places.len() < limit { None } else { places.into_iter().min() }
}

impl Place {
    const END: Self = Self { at_ms: i64::MAX, sequence: u64::MAX, index: u32::MAX };

    const fn of(entry: &StoredEntry) -> Self {
        Self { at_ms: entry.at_ms, sequence: entry.sequence, index: entry.index }
    }

    fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.at_ms).unwrap_or(Timestamp::MAX)
    }

    fn write(self) -> String {
        let mut bytes = Vec::with_capacity(20);
        bytes.extend_from_slice(&self.at_ms.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.index.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn read(cursor: &str) -> fault::Result<Self> {
        if cursor.is_empty() {
            return Ok(Self::END);
        }
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
            let (at_ms, rest) = bytes.split_first_chunk::<8>()?;
            let (sequence, index) = rest.split_first_chunk::<8>()?;
            Some(Self {
                at_ms: i64::from_be_bytes(*at_ms),
                sequence: u64::from_be_bytes(*sequence),
                index: u32::from_be_bytes(index.try_into().ok()?),
            })
        };
        read().ok_or_else(|| Fault::invalid("/cursor", "malformed", "This is no cursor of a statement."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_text() {
        let place = Place { at_ms: 1, sequence: 2, index: 3 };
        assert_eq!(Place::read(&place.write()).unwrap(), place);
        assert_eq!(Place::read("").unwrap(), Place::END);
        assert!(Place::read("AAAA").is_err() && Place::read("??").is_err());
    }

    #[test]
    fn filters_let_through_what_they_name() {
        let entry = StoredEntry {
            amount: 5,
            at_ms: 10,
            kind: 2,
            reason: "gift".to_owned(),
            ..StoredEntry::default()
        };
        let all = Filter::default();
        let cases = [
            (all.clone(), true),
            (Filter { from_ms: Some(10), until_ms: Some(11), ..all.clone() }, true),
            (Filter { until_ms: Some(10), ..all.clone() }, false),
            (Filter { from_ms: Some(11), ..all.clone() }, false),
            (Filter { reason: "gift".to_owned(), kind: Some(Kind::Capture), ..all.clone() }, true),
            (Filter { incoming: Some(false), ..all.clone() }, false),
            (Filter { reference: "x".to_owned(), ..all }, false),
        ];
        for (filter, expected) in cases {
            assert_eq!(filter.lets_through(&entry), expected, "{filter:?}");
        }
    }
}
