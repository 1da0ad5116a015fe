//! Rows for `ledger_entries` in the binary format of COPY, the quickest way into a table.

use eventstore::storage;
use sqlx::PgConnection;
use wallet_domain::Entry;

use super::directory::Known;

const STATEMENT: &str = "COPY ledger_entries_rows (tenant_id, account_id, partition, sequence, index, \
    operation_id, asset, amount, balance_after, reason, reference, at) FROM STDIN WITH (FORMAT binary)";
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const COLUMNS: i16 = 12;
/// 2000-01-01, where PostgreSQL begins to count, in milliseconds since 1970.
const POSTGRES_EPOCH_MS: i64 = 946_684_800_000;
/// Sent at a time.
const CHUNK: usize = 256 * 1024;

/// One row.
pub(super) struct EntryRow<'a> {
    pub(super) account: Known,
    pub(super) partition: u16,
    pub(super) sequence: u64,
    pub(super) entry: Entry<'a>,
}

/// Rows that were encoded.
pub(super) struct CopyBuffer(Vec<u8>);

impl Default for CopyBuffer {
    fn default() -> Self {
        Self(HEADER.to_vec())
    }
}

impl CopyBuffer {
    pub(super) fn push(&mut self, row: &EntryRow<'_>) {
        let (account, entry) = (&row.account, &row.entry);
        let micros = entry.at_ms.saturating_sub(POSTGRES_EPOCH_MS).saturating_mul(1_000);
        self.0.extend_from_slice(&COLUMNS.to_be_bytes());
        self.field(account.tenant.as_bytes());
        self.field(account.account.as_bytes());
        self.field(&i32::from(row.partition).to_be_bytes());
        self.field(&row.sequence.to_be_bytes());
        self.field(&entry.index.to_be_bytes());
        self.field(entry.operation.as_bytes());
        self.field(account.asset.code().as_bytes());
        self.field(&entry.amount.to_be_bytes());
        self.field(&entry.balance_after.to_be_bytes());
        self.field(entry.reason.as_bytes());
        self.field(entry.reference.as_bytes());
        self.field(&micros.to_be_bytes());
    }

    fn field(&mut self, bytes: &[u8]) {
        // Words and references are short by rule.
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn is_empty(&self) -> bool {
        self.0.len() == HEADER.len()
    }
}

/// Writes the rows.
pub(super) async fn write(connection: &mut PgConnection, rows: CopyBuffer) -> fault::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut bytes = rows.0;
    bytes.extend_from_slice(&(-1_i16).to_be_bytes());
    let mut copy = connection.copy_in_raw(STATEMENT).await.map_err(storage)?;
    for chunk in bytes.chunks(CHUNK) {
        copy.send(chunk).await.map_err(storage)?;
    }
    copy.finish().await.map_err(storage)?;
    Ok(())
}
