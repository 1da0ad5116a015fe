//! Every metric of the sandbox.

/// A webhook was taken.
pub(crate) fn sent() {
    metrics::counter!("vbwd_sandbox_webhooks_sent_total").increment(1);
}

/// A webhook was not taken; it will be tried again.
pub(crate) fn failed() {
    metrics::counter!("vbwd_sandbox_webhooks_failed_total").increment(1);
}
