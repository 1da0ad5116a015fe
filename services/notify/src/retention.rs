//! What stays of a purged tenant: nothing but entries on their way to the audit trail. Mails, notifications,
//! templates, wishes, endpoints with their secrets and logs go, and so do the facts about them; no law
//! demands any of it. What is being sent at that moment ends without a row to end in.

use eventstore::Retention;

pub(crate) const RETENTION: Retention = Retention {
    kept: &[("audit_outbox", "entries on their way to the audit trail, which stays")],
    blanked: &[],
};
