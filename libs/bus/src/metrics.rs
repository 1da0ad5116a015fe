//! Every metric of the bus, one line and one sentence each.

use ::metrics::{counter, gauge};

/// Events that the broker acknowledged.
pub(crate) fn published(relay: &str, events: u64) {
    counter!("bus_published_total", "relay" => relay.to_owned()).increment(events);
}

/// Attempts of a relay that failed and will be repeated.
pub(crate) fn relay_failed(relay: &str) {
    counter!("bus_relay_failures_total", "relay" => relay.to_owned()).increment(1);
}

/// Events that a consumer finished, by outcome: `handled`, `duplicate`, `dead`.
pub(crate) fn consumed(consumer: &'static str, outcome: &'static str) {
    counter!("bus_consumed_total", "consumer" => consumer, "outcome" => outcome).increment(1);
}

/// Attempts to handle an event that failed and will be repeated.
pub(crate) fn handling_failed(consumer: &'static str) {
    counter!("bus_handling_failures_total", "consumer" => consumer).increment(1);
}

/// Events that a consumer holds and has not finished.
pub(crate) fn in_flight(consumer: &'static str, events: usize) {
    gauge!("bus_in_flight", "consumer" => consumer).set(u32::try_from(events).unwrap_or(u32::MAX));
}
