//! The store against a real PostgreSQL, and the twin beside it.

mod concurrency;
mod conformance;
mod epoch;
mod fixtures;
mod horizon;
mod leadership;
mod operations;
mod template;
mod tenants;
