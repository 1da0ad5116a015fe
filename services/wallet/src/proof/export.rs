//! Writes the journal out, a page at a time: memory does not grow with the ledger.

use std::io::Write;

use fault::Fault;
use journal::{AnyJournal, Hash, Journal as _, Row};
use wallet_domain::Batch;

use super::archive::ArchiveWriter;
use super::lines::Lines;
use crate::projection::unread;

/// Batches read at a time.
pub(super) const PAGE: u32 = 32;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Batches.
    pub batches: u64,
    /// Operations and accounts, where these were written.
    pub lines: u64,
}

/// Writes the rows of some partitions from a batch on, as they are. Damaged rows are written too:
/// what an export is for is looking at them.
///
/// # Errors
/// When the journal does not answer, or nothing can be written.
pub async fn export_archive(
    journal: &AnyJournal,
    partitions: impl IntoIterator<Item = u16>,
    from: u64,
    out: &mut impl Write,
) -> fault::Result<Exported> {
    let mut writer = ArchiveWriter::begin(out).map_err(unwritten)?;
    let mut exported = Exported::default();
    for partition in partitions {
        let mut last = from.saturating_sub(1);
        let mut previous = before(journal, partition, last).await?;
        loop {
            let rows = journal.read(partition, last, PAGE).await.map_err(unread)?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                last = row.sequence;
                writer.row(partition, row, previous.take()).map_err(unwritten)?;
                exported.batches += 1;
            }
        }
    }
    writer.end().map_err(unwritten)?;
    Ok(exported)
}

/// The hash of a row, if there is one.
async fn before(journal: &AnyJournal, partition: u16, sequence: u64) -> fault::Result<Option<Hash>> {
    let Some(earlier) = sequence.checked_sub(1) else { return Ok(None) };
    let rows = journal.read(partition, earlier, 1).await.map_err(unread)?;
    Ok(rows.first().filter(|row| row.sequence == sequence).map(|row| row.hash))
}

/// Writes the accounts and operations of some partitions from a batch on, one line each.
///
/// # Errors
/// When the journal does not answer or holds what is no batch, or nothing can be written.
pub async fn export_lines(
    journal: &AnyJournal,
    partitions: impl IntoIterator<Item = u16>,
    from: u64,
    out: &mut impl Write,
) -> fault::Result<Exported> {
    let mut exported = Exported::default();
    for partition in partitions {
        let (mut lines, mut last) = (Lines::new(partition), 0);
        loop {
            let rows = journal.read(partition, last, PAGE).await.map_err(unread)?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let batch = batch_of(partition, &row)?;
                last = row.sequence;
                lines.learn(&batch);
                if row.sequence >= from {
                    exported.batches += 1;
                    exported.lines += lines.write(row.sequence, &batch, out).map_err(unwritten)?;
                }
            }
        }
    }
    out.flush().map_err(unwritten)?;
    Ok(exported)
}

fn batch_of(partition: u16, row: &Row) -> fault::Result<Batch> {
    Batch::from_payload(&row.payload).map_err(|error| {
        let fault = Fault::internal(error);
        fault.with_fact("partition", partition).with_fact("batch", row.sequence)
    })
}

fn unwritten(error: std::io::Error) -> Fault {
    Fault::unavailable("export_not_written", error)
}
