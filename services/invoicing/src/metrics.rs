//! Every metric of the service.

use metrics::{counter, histogram};

/// Invoices that were opened.
pub(crate) fn opened(count: usize) {
    counter!("vbwd_invoicing_opened_total").increment(u64::try_from(count).unwrap_or(u64::MAX));
}

/// How many drafts shared a transaction.
#[allow(clippy::cast_precision_loss, reason = "a batch has at most some dozens of drafts")]
pub(crate) fn opening_batch(drafts: usize) {
    histogram!("vbwd_invoicing_opening_batch").record(drafts as f64);
}

/// Lines that sellers have delivered, refused or taken back.
pub(crate) fn line(outcome: &'static str) {
    counter!("vbwd_invoicing_lines_total", "outcome" => outcome).increment(1);
}

/// Refunds that were asked for, by reason.
pub(crate) fn refund(reason: &'static str) {
    counter!("vbwd_invoicing_refunds_requested_total", "reason" => reason).increment(1);
}

/// Open invoices the sweep has looked at, by what it found.
pub(crate) fn swept(found: &'static str) {
    counter!("vbwd_invoicing_swept_total", "found" => found).increment(1);
}
