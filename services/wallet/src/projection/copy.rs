//! Rows in the binary format of COPY, the quickest way into a table.

use eventstore::storage;
use sqlx::PgConnection;

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// 2000-01-01, where PostgreSQL begins to count, in milliseconds since 1970.
const POSTGRES_EPOCH_MS: i64 = 946_684_800_000;
/// Sent at a time.
const CHUNK: usize = 256 * 1024;

/// Rows that were encoded.
pub(super) struct CopyBuffer(Vec<u8>);

impl Default for CopyBuffer {
    fn default() -> Self {
        Self(HEADER.to_vec())
    }
}

impl CopyBuffer {
    /// Begins a row of so many columns.
    pub(super) fn row(&mut self, columns: i16) -> &mut Self {
        self.0.extend_from_slice(&columns.to_be_bytes());
        self
    }

    /// A column in its binary form.
    pub(super) fn field(&mut self, bytes: &[u8]) -> &mut Self {
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// A `timestamptz`.
    pub(super) fn time(&mut self, at_ms: i64) -> &mut Self {
        let micros = at_ms.saturating_sub(POSTGRES_EPOCH_MS).saturating_mul(1_000);
        self.field(&micros.to_be_bytes())
    }

    /// Writes the rows by a `COPY … FROM STDIN WITH (FORMAT binary)`.
    pub(super) async fn write(
        self,
        connection: &mut PgConnection,
        statement: &'static str,
    ) -> fault::Result<()> {
        let mut bytes = self.0;
        if bytes.len() == HEADER.len() {
            return Ok(());
        }
        bytes.extend_from_slice(&(-1_i16).to_be_bytes());
        let mut copy = connection.copy_in_raw(statement).await.map_err(storage)?;
        for chunk in bytes.chunks(CHUNK) {
            copy.send(chunk).await.map_err(storage)?;
        }
        copy.finish().await.map_err(storage)?;
        Ok(())
    }
}
