//! Aggregates, event envelopes, clocks, and the given/when/then harness.
