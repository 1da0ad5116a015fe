//! The token wallet: ledger engine, bundles, statements.
