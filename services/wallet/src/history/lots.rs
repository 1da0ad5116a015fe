//! Lots and what became of their units.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::storage;
use fault::Fault;
use ids::TenantId;
use jiff::Timestamp;
use sqlx::FromRow;
use uuid::Uuid;

use super::{History, PageRequest};

/// A lot as it was granted.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LotRow {
    /// The lot.
    pub lot_id: Uuid,
    /// Whose it is.
    pub account_id: Uuid,
    /// Where its units come from.
    pub source: String,
    /// Lower is spent first.
    pub priority: i16,
    /// When what is left expires.
    #[sqlx(try_from = "Option<jiff_sqlx::Timestamp>")]
    pub expires_at: Expiry,
    /// Units it began with.
    pub granted: i64,
}

/// A time or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry(pub Option<Timestamp>);

impl From<Option<jiff_sqlx::Timestamp>> for Expiry {
    fn from(at: Option<jiff_sqlx::Timestamp>) -> Self {
        Self(at.map(jiff_sqlx::Timestamp::to_jiff))
    }
}

/// A change of a lot.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MovementRow {
    /// Partition of the ledger.
    pub partition: i32,
    /// Batch.
    pub sequence: i64,
    /// Place among the effects of the batch.
    pub index: i32,
    /// The operation.
    pub operation_id: Uuid,
    /// Number of its kind.
    pub kind: i16,
    /// Units that left the lot.
    pub units_left: i64,
    /// What can be spent afterwards.
    pub free_after: i64,
    /// What is held afterwards.
    pub held_after: i64,
    /// When.
    #[sqlx(try_from = "jiff_sqlx::Timestamp")]
    pub at: Timestamp,
}

/// One page of a lot's movements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotPage {
    /// The lot.
    pub lot: LotRow,
    /// Newest first.
    pub movements: Vec<MovementRow>,
    /// Where the next page begins; none on the last.
    pub next_cursor: Option<String>,
}

const LOT: &str = "
SELECT lot_id, account_id, source, priority, expires_at, granted FROM ledger_lots
WHERE tenant_id = $1 AND lot_id = $2";
const MOVEMENTS: &str = "
SELECT partition, sequence, index, operation_id, kind, units_left, free_after, held_after, at
FROM ledger_lot_movements
WHERE tenant_id = $1 AND lot_id = $2 AND (sequence, index) < ($3, $4)
ORDER BY sequence DESC, index DESC LIMIT $5";

impl History {
    /// A lot and its movements, newest first.
    ///
    /// # Errors
    /// A malformed cursor or position, `position_not_reached`, or faults of the database.
    pub async fn lot(
        &self,
        tenant: TenantId,
        lot: Uuid,
        asked: &PageRequest,
    ) -> fault::Result<Option<LotPage>> {
        let (sequence, index) = before(&asked.cursor)?;
        self.reach(tenant, &asked.min_position).await?;
        let mut reading = self.store.read(tenant).await?;
        let found: Option<LotRow> = sqlx::query_as(LOT)
            .bind(tenant.as_uuid())
            .bind(lot)
            .fetch_optional(&mut *reading)
            .await
            .map_err(storage)?;
        let size = asked.page_size();
        let mut movements: Vec<MovementRow> = sqlx::query_as(MOVEMENTS)
            .bind(tenant.as_uuid())
            .bind(lot)
            .bind(sequence)
            .bind(index)
            .bind(i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1))
            .fetch_all(&mut *reading)
            .await
            .map_err(storage)?;
        reading.rollback().await.map_err(storage)?;
        let more = movements.len() > size;
        movements.truncate(size);
        let next_cursor = movements.last().filter(|_| more).map(cursor);
        Ok(found.map(|lot| LotPage { lot, movements, next_cursor }))
    }
}

fn cursor(last: &MovementRow) -> String {
    let mut bytes = Vec::from(last.sequence.to_be_bytes());
    bytes.extend_from_slice(&last.index.to_be_bytes());
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
    read().ok_or_else(|| Fault::invalid("/cursor", "malformed", "This is no cursor of a lot."))
}
