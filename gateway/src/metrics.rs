//! Every metric of the gateway.

use std::time::Duration;

/// A request was answered: seconds from its arrival to the complete answer, by rpc (or page, or
/// `none`) and class of status. Its count is the number of requests.
pub fn answered(route: &'static str, status: u16, took: Duration) {
    metrics::histogram!("vbwd_http_seconds", "route" => route, "status" => class(status))
        .record(took.as_secs_f64());
}

/// A request was refused because its rate class was exhausted.
pub fn rate_limited(class: &'static str) {
    metrics::counter!("vbwd_http_rate_limited_total", "class" => class).increment(1);
}

/// A public read was answered from what was kept (`hit`) or by the service (`miss`).
pub fn public_read(outcome: &'static str) {
    metrics::counter!("vbwd_http_public_reads_total", "outcome" => outcome).increment(1);
}

/// Idempotency keys past their retention were forgotten.
pub fn keys_swept(count: u64) {
    metrics::counter!("vbwd_idempotency_keys_swept_total").increment(count);
}

const fn class(status: u16) -> &'static str {
    match status {
        0..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
