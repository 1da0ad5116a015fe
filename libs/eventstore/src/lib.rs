//! Append, load and read events on PostgreSQL, with idempotency and a memory twin.
