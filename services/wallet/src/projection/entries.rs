//! From batches to the rows of entries.
//!
//! Entries are gathered per account over all batches of a step: what a step finds for an account is
//! one row, or a few. That is what lets the history keep up with bulk loads.

use std::collections::HashMap;

use fault::Fault;
use foldhash::fast::RandomState;
use sqlx::PgConnection;
use wallet_domain::{Batch, entries};

use super::copy::CopyBuffer;
use super::directory::{Directory, Known};
use crate::history::chunk::{CHUNK_BYTES_MAX, StoredEntry};

const ENTRIES: &str = "COPY ledger_entries_rows (tenant_id, account_id, partition, first_at, first_sequence, \
    first_index, entries, payload) FROM STDIN WITH (FORMAT binary)";

/// Entries of an account that are not yet a row.
struct Open {
    first: (i64, u64, u32),
    entries: i32,
    payload: Vec<u8>,
}

/// The entries of a step.
pub(super) struct EntryRows {
    partition: u16,
    open: HashMap<u32, Open, RandomState>,
    entries: CopyBuffer,
}

impl EntryRows {
    /// The rows that follow from consecutive batches.
    pub(super) fn of(partition: u16, directory: &Directory, batches: &[(u64, Batch)]) -> fault::Result<Self> {
        let mut rows = Self { partition, open: HashMap::default(), entries: CopyBuffer::default() };
        for (sequence, batch) in batches {
            rows.add(directory, *sequence, batch)?;
        }
        rows.close_all(directory)?;
        Ok(rows)
    }

    /// Writes them.
    pub(super) async fn write(self, connection: &mut PgConnection) -> fault::Result<()> {
        self.entries.write(connection, ENTRIES).await
    }

    fn add(&mut self, directory: &Directory, sequence: u64, batch: &Batch) -> fault::Result<()> {
        for entry in entries(batch) {
            let first = (entry.at_ms, sequence, entry.index);
            let empty = || Open { first, entries: 0, payload: Vec::new() };
            let open = self.open.entry(entry.account).or_insert_with(empty);
            StoredEntry::new(sequence, &entry).append_to(&mut open.payload);
            open.entries = open.entries.saturating_add(1);
            if open.payload.len() >= CHUNK_BYTES_MAX
                && let Some(full) = self.open.remove(&entry.account)
            {
                self.close(known(directory, entry.account)?, &full);
            }
        }
        Ok(())
    }

    fn close_all(&mut self, directory: &Directory) -> fault::Result<()> {
        for (account, open) in std::mem::take(&mut self.open) {
            self.close(known(directory, account)?, &open);
        }
        Ok(())
    }

    fn close(&mut self, account: Known, open: &Open) {
        let (at_ms, sequence, index) = open.first;
        self.entries
            .row(8)
            .field(account.tenant.as_bytes())
            .field(account.account.as_bytes())
            .field(&i32::from(self.partition).to_be_bytes())
            .time(at_ms)
            .field(&sequence.to_be_bytes())
            .field(&index.to_be_bytes())
            .field(&open.entries.to_be_bytes())
            .field(&open.payload);
    }
}

fn known(directory: &Directory, account: u32) -> fault::Result<Known> {
    directory.get(account).ok_or_else(|| Fault::internal(format!("a batch names account {account}")))
}
