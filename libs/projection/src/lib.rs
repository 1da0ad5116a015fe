//! Asynchronous projections and reactors: cursor, lag, dead letters, rebuild.
