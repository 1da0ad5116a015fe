//! Every metric of the service.

use metrics::{counter, histogram};

/// Mails that were put into the queue.
pub(crate) fn mail_queued() {
    counter!("vbwd_notify_mails_queued_total").increment(1);
}

/// Attempts to send a mail, by what came of them.
pub(crate) fn mail_attempt(outcome: &'static str) {
    counter!("vbwd_notify_mail_attempts_total", "outcome" => outcome).increment(1);
}

/// Mails that were given up.
pub(crate) fn mail_dead() {
    counter!("vbwd_notify_mails_dead_total").increment(1);
}

/// Seconds from the queue to the mail server.
pub(crate) fn mail_waited(seconds: f64) {
    histogram!("vbwd_notify_mail_wait_seconds").record(seconds);
}

/// Deliveries that events have made.
pub(crate) fn webhooks_queued(count: usize) {
    counter!("vbwd_notify_webhooks_queued_total").increment(u64::try_from(count).unwrap_or(u64::MAX));
}

/// Attempts to deliver, by what came of them.
pub(crate) fn webhook_attempt(outcome: &'static str) {
    counter!("vbwd_notify_webhook_attempts_total", "outcome" => outcome).increment(1);
}

/// Endpoints that were given up.
pub(crate) fn webhook_endpoint_disabled() {
    counter!("vbwd_notify_webhook_endpoints_disabled_total").increment(1);
}
