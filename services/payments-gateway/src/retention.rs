//! What stays of a purged tenant: the payments, as long as law demands the records of money that moved, and
//! the ids of the provider's events, so that a late webhook changes nothing. They name people by id only.
//! Addresses to which customers were sent go, and no provider is asked any more; so do answers to repeated
//! calls, timers, dead letters and everything that is no record.

use eventstore::Retention;

const RECORDS: &str = "records of money that moved must be kept for years";

pub(crate) const RETENTION: Retention = Retention {
    kept: &[
        ("events", RECORDS),
        ("streams", "the revision of each stream of facts"),
        ("payments", RECORDS),
        ("webhook_inbox", "a webhook that comes again must change nothing"),
        ("audit_outbox", "entries on their way to the audit trail, which stays"),
    ],
    blanked: &["UPDATE payments SET next_check_at = NULL, redirect_url = NULL WHERE tenant_id = $1"],
};
