//! Every metric of payments, one line and one sentence each.

use std::time::Duration;

/// A webhook was answered; `outcome` is `accepted`, `duplicate` or the code of the refusal.
pub(crate) fn webhook(provider: &str, outcome: &str) {
    metrics::counter!("vbwd_payments_webhooks_total", "provider" => provider.to_owned(), "outcome" => outcome.to_owned())
        .increment(1);
}

/// A provider was asked; `outcome` is `ok` or the kind of trouble.
pub(crate) fn asked(provider: &str, step: &'static str, outcome: &'static str, took: Duration) {
    metrics::histogram!("vbwd_payments_provider_seconds", "provider" => provider.to_owned(), "step" => step, "outcome" => outcome)
        .record(took.as_secs_f64());
}

/// A provider reported something that cannot be true of our payment. Somebody should look.
pub(crate) fn contradiction(provider: &str, code: &'static str) {
    metrics::counter!("vbwd_payments_contradictions_total", "provider" => provider.to_owned(), "code" => code)
        .increment(1);
}

/// A circuit changed to `open` or `closed`.
pub(crate) fn circuit(provider: &str, state: &'static str) {
    metrics::counter!("vbwd_payments_circuit_changes_total", "provider" => provider.to_owned(), "state" => state)
        .increment(1);
}

/// The reconciler asked for a payment; `outcome` is `settled`, `open` or `failed`.
pub(crate) fn reconciled(outcome: &'static str) {
    metrics::counter!("vbwd_payments_reconciled_total", "outcome" => outcome).increment(1);
}
