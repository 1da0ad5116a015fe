//! The stored form of every event.

use super::samples::*;
use crate::{CaptureRefused, PaymentEvent, VoidReason};

#[test]
fn the_stored_form_of_every_event() {
    let refused = CaptureRefused { failure_code: "authorization_lapsed".to_owned() };
    kernel::testing::golden::<PaymentEvent>(
        concat!(env!("CARGO_MANIFEST_DIR"), "/golden"),
        &[
            created(),
            accepted(),
            action_required(),
            processing_started(),
            authorized(),
            capture_requested(),
            PaymentEvent::CaptureRefused(refused),
            captured(true),
            failed("card_declined"),
            void_requested(VoidReason::Expired),
            voided(),
            refund_requested(1, 400),
            refunded(1, 400, 400),
            refund_failed(1),
        ],
    );
}

#[test]
fn a_capture_stored_before_it_could_be_late_is_in_time() {
    let mut payload = kernel::DomainEvent::payload(&captured(false));
    payload.as_object_mut().unwrap().remove("late");
    let read = <PaymentEvent as kernel::DomainEvent>::restore("payment.captured", 1, payload).unwrap();
    assert_eq!(read, captured(false));
}
