//! What stays of a purged tenant: the ledger. Its journal is one chain of hashes over all tenants, which no
//! deletion may break, and postings are bookkeeping that law demands for years; they name people by id only.
//! What is filled from the journal stays with it: rebuilt tables would hold it again. The catalogue goes,
//! and so do answers to repeated calls, timers and dead letters.

use eventstore::Retention;

const LEDGER: &str = "filled from the journal, whose postings must be kept for years";

pub(crate) const RETENTION: Retention = Retention {
    kept: &[
        ("events", "facts about the catalogue that invoices name"),
        ("streams", "the revision of each stream of facts"),
        ("ledger_accounts", LEDGER),
        ("ledger_entries", LEDGER),
        ("ledger_operations", LEDGER),
        ("ledger_operation_chunks", LEDGER),
        ("ledger_lots", LEDGER),
        ("ledger_lot_movements", LEDGER),
        ("audit_outbox", "entries on their way to the audit trail, which stays"),
    ],
    blanked: &[],
};
