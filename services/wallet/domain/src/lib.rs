//! The rules of the ledger, pure.
