//! Every metric of this service, one line and one sentence each.

use std::time::Duration;

/// A batch became durable: operations, bytes, and how long the append took.
pub(crate) fn batch_appended(operations: usize, bytes: usize, took: Duration) {
    metrics::counter!("wallet_ledger_operations_total").increment(operations as u64);
    metrics::histogram!("wallet_ledger_batch_operations").record(as_float(operations));
    metrics::histogram!("wallet_ledger_batch_bytes").record(as_float(bytes));
    metrics::histogram!("wallet_ledger_append_seconds").record(took.as_secs_f64());
}

/// Answers that could not be given because the outcome of a batch is unknown.
pub(crate) fn answers_lost(count: usize) {
    metrics::counter!("wallet_ledger_answers_lost_total").increment(count as u64);
}

/// A call was passed on to the owner of its partition, who answered or did not.
pub(crate) fn call_forwarded(answered: bool) {
    metrics::counter!("wallet_ledger_forwarded_total", "answered" => if answered { "yes" } else { "no" })
        .increment(1);
}

/// A snapshot was saved.
pub(crate) fn snapshot_saved(bytes: usize, took: Duration) {
    metrics::histogram!("wallet_ledger_snapshot_bytes").record(as_float(bytes));
    metrics::histogram!("wallet_ledger_snapshot_seconds").record(took.as_secs_f64());
}

/// A partition was recovered and is served here.
pub(crate) fn partition_recovered(partition: u16, took: Duration) {
    let partition = partition.to_string();
    metrics::gauge!("wallet_ledger_recovery_seconds", "partition" => partition).set(took.as_secs_f64());
}

/// How many batches the entries of a partition are behind its journal.
pub(crate) fn entries_behind(partition: u16, batches: u64) {
    metrics::gauge!("wallet_ledger_entries_behind_batches", "partition" => partition.to_string())
        .set(as_float(usize::try_from(batches).unwrap_or(usize::MAX)));
}

/// Figures for people may lose digits.
#[allow(clippy::cast_precision_loss)]
fn as_float(count: usize) -> f64 {
    count as f64
}
