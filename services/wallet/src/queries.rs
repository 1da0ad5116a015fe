//! The read side: statements from the entry tables, newest first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::storage;
use fault::{Code, Fault};
use ids::{AccountId, TenantId};
use jiff::Timestamp;
use sqlx::FromRow;
use tokio::time::{Duration, Instant, timeout};
use uuid::Uuid;

use crate::Position;
use crate::engine::Ledger;
use crate::store::Store;

const PAGE_DEFAULT: i32 = 50;
const PAGE_MAX: i32 = 200;
const POLL: Duration = Duration::from_millis(20);

/// Entries of some accounts as one list.
const STATEMENT: &str = "
SELECT entry.* FROM unnest($2::uuid[]) AS wanted (account), LATERAL (
    SELECT account_id, partition, sequence, index, operation_id, asset, amount, balance_after, reason, reference, at
    FROM ledger_entries
    WHERE tenant_id = $1 AND account_id = wanted.account AND (sequence, index) < ($3, $4)
    ORDER BY sequence DESC, index DESC LIMIT $5
) AS entry ORDER BY sequence DESC, index DESC LIMIT $5";

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct EntryLine {
    /// Whose side of the posting it is.
    pub account_id: Uuid,
    /// Partition of the ledger.
    pub partition: i32,
    /// Batch.
    pub sequence: i64,
    /// Place in the batch.
    pub index: i32,
    /// The operation it belongs to.
    pub operation_id: Uuid,
    /// What is counted.
    pub asset: String,
    /// Positive when units came in.
    pub amount: i64,
    /// Balance after this entry.
    pub balance_after: i64,
    /// Why.
    pub reason: String,
    /// What it belongs to.
    pub reference: String,
    /// When.
    #[sqlx(try_from = "jiff_sqlx::Timestamp")]
    pub at: Timestamp,
}

/// One page of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub entries: Vec<EntryLine>,
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
}

/// Reads the entry tables.
#[derive(Clone)]
pub struct Statements {
    store: Store,
    ledger: Ledger,
}

impl Statements {
    /// Statements of this ledger.
    #[must_use]
    pub const fn new(store: Store, ledger: Ledger) -> Self {
        Self { store, ledger }
    }

    /// The entries of some accounts of a tenant, newest first.
    ///
    /// # Errors
    /// A malformed cursor or position, `position_not_reached`, or faults of the database.
    pub async fn page(
        &self,
        tenant: TenantId,
        accounts: &[AccountId],
        asked: &PageRequest,
    ) -> fault::Result<Page> {
        let (sequence, index) = before(&asked.cursor)?;
        if let Some(position) = position(&self.ledger, tenant, &asked.min_position)? {
            self.reach(position).await?;
        }
        let size = if asked.size <= 0 { PAGE_DEFAULT } else { asked.size.min(PAGE_MAX) };
        let accounts: Vec<Uuid> = accounts.iter().map(|account| account.as_uuid()).collect();
        let mut reading = self.store.read(tenant).await?;
        let mut entries: Vec<EntryLine> = sqlx::query_as(STATEMENT)
            .bind(tenant.as_uuid())
            .bind(accounts)
            .bind(sequence)
            .bind(index)
            .bind(i64::from(size).saturating_add(1))
            .fetch_all(&mut *reading)
            .await
            .map_err(storage)?;
        reading.rollback().await.map_err(storage)?;
        let more = entries.len() > usize::try_from(size).unwrap_or_default();
        entries.truncate(usize::try_from(size).unwrap_or_default());
        let next_cursor = entries.last().filter(|_| more).map(cursor);
        Ok(Page { entries, next_cursor })
    }

    /// Waits until the entries include `position`: woken when this process projects the partition,
    /// else by looking at the cursor.
    async fn reach(&self, position: Position) -> fault::Result<()> {
        let mut projected = self.ledger.projected(position.partition)?.subscribe();
        let deadline = Instant::now() + self.ledger.config().position_wait();
        let mut pause = POLL;
        while *projected.borrow_and_update() < position.sequence {
            if self.stands_at(position.partition).await? >= position.sequence {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Fault::new(
                    Code::Timeout,
                    "position_not_reached",
                    "The entries are not there yet; try again.",
                )
                .with_fact("position", position));
            }
            // Whether it was woken or the time is over makes no difference: look again.
            let _ = timeout(pause, projected.changed()).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
        Ok(())
    }

    async fn stands_at(&self, partition: u16) -> fault::Result<u64> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT projected FROM ledger_progress WHERE partition = $1")
                .bind(i32::from(partition))
                .fetch_optional(self.store.pool())
                .await
                .map_err(storage)?;
        Ok(u64::try_from(found.unwrap_or_default()).unwrap_or_default())
    }
}

/// The position a reader asked to see, which must be one of the tenant's partition.
pub(crate) fn position(ledger: &Ledger, tenant: TenantId, text: &str) -> fault::Result<Option<Position>> {
    if text.is_empty() {
        return Ok(None);
    }
    let position = text.parse::<Position>().ok();
    let fits = position.filter(|position| position.partition == ledger.partition_of(tenant));
    let malformed = || Fault::invalid("/min_position", "malformed", "This is no position of this ledger.");
    fits.ok_or_else(malformed).map(Some)
}

fn cursor(last: &EntryLine) -> String {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&last.sequence.to_be_bytes());
    bytes[8..].copy_from_slice(&last.index.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn before(cursor: &str) -> fault::Result<(i64, i32)> {
    if cursor.is_empty() {
        return Ok((i64::MAX, i32::MAX));
    }
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (sequence, index) = bytes.split_first_chunk::<8>()?;
        Some((i64::from_be_bytes(*sequence), i32::from_be_bytes(index.try_into().ok()?)))
    };
    read().ok_or_else(|| Fault::invalid("/cursor", "malformed", "This is no cursor of a statement."))
}
