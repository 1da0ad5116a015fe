//! What stays of a purged tenant: nothing but entries on their way to the audit trail. A catalogue is an offer;
//! what was sold by it stands on the invoices.

use eventstore::Retention;

pub(crate) const RETENTION: Retention = Retention {
    kept: &[("audit_outbox", "entries on their way to the audit trail, which stays")],
    blanked: &[],
};
