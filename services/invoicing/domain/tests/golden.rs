//! The stored form of every event.

use invoicing_domain::SurplusReason;
use invoicing_domain::samples::{
    TOTAL, delivered, failed, fulfilled, opened, paid, refund_recorded, refunded, reversed, started, surplus,
    unfulfillable, voided,
};

#[test]
fn stored_events_keep_their_form() {
    kernel::testing::golden(
        concat!(env!("CARGO_MANIFEST_DIR"), "/golden"),
        &[
            opened(),
            started(1),
            failed(1),
            paid(1),
            surplus(2, SurplusReason::AlreadyPaid),
            refund_recorded(1, TOTAL),
            refunded(),
            delivered(0),
            unfulfillable(1),
            reversed(0),
            fulfilled(),
            voided(),
        ],
    );
}
