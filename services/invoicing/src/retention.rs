//! What stays of a purged tenant: the books. Invoices, their lines and their numbers must be shown to tax
//! authorities for years (ten in Germany), gapless; they name people by id only, and with identity's keys
//! gone the id leads to nobody. Answers to repeated calls, timers and dead letters go. Nothing is asked to
//! be paid any more.

use eventstore::Retention;

const RECORDS: &str = "invoices must be shown to tax authorities for years";

pub(crate) const RETENTION: Retention = Retention {
    kept: &[
        ("events", RECORDS),
        ("streams", "the revision of each stream of facts"),
        ("invoices", RECORDS),
        ("invoice_lines", RECORDS),
        ("invoice_series", "shows that no number is missing"),
    ],
    blanked: &["UPDATE invoices SET attend_at = NULL WHERE tenant_id = $1 AND attend_at IS NOT NULL"],
};
