//! The ledger's batch journal: port, PostgreSQL, memory, one conformance suite.
