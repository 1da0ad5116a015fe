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

/// A routing rule decided, by its action.
pub fn ruled(action: &'static str) {
    metrics::counter!("vbwd_http_ruled_total", "action" => action).increment(1);
}

/// So many routing rules are known.
pub fn rules_known(count: usize) {
    metrics::gauge!("vbwd_routing_rules").set(u32::try_from(count).unwrap_or(u32::MAX));
}

/// A stream of events was opened.
pub fn stream_opened(route: &'static str) {
    metrics::counter!("vbwd_http_streams_total", "route" => route).increment(1);
}

/// A call to a service was made again because its connection broke.
pub fn retried(service: &str) {
    metrics::counter!("vbwd_upstream_retries_total", "service" => service.to_owned()).increment(1);
}

/// A service is left alone (1) or asked again (0).
pub fn circuit(service: &str, open: bool) {
    metrics::gauge!("vbwd_upstream_circuit_open", "service" => service.to_owned()).set(u8::from(open));
}

const fn class(status: u16) -> &'static str {
    match status {
        0..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
