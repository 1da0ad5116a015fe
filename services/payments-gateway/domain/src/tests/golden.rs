//! The stored form of every event.

use super::samples::*;
use crate::{CaptureMode, CaptureRefused, Created, PaymentEvent, Terms, VoidReason};

fn manual_and_saved() -> PaymentEvent {
    let saved_method = Some(ids::PaymentMethodId::derived(&["method"]));
    let terms =
        Terms { capture: CaptureMode::Manual, saved_method, off_session: true, save_method: true, ..terms() };
    PaymentEvent::Created(Created { terms, created_at: AT })
}

#[test]
fn the_stored_form_of_every_event() {
    let refused = CaptureRefused { failure_code: "authorization_lapsed".to_owned() };
    kernel::testing::golden::<PaymentEvent>(
        concat!(env!("CARGO_MANIFEST_DIR"), "/golden"),
        &[
            manual_and_saved(),
            accepted(),
            action_required(),
            processing_started(),
            authorized(),
            capture_part_requested(400, true),
            PaymentEvent::CaptureRefused(refused),
            captured(true),
            part_captured(400, 400, true),
            rest_released(600),
            declined_softly(),
            void_requested(VoidReason::Expired),
            voided(),
            refund_requested(1, 400),
            refunded(1, 400, 400),
            refund_failed(1),
            dispute_opened(1000),
            dispute_won(1000),
            dispute_lost(1000),
            contradicted(eur(999), "captured"),
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

/// What was stored before a field existed reads as what it meant then.
#[test]
fn events_of_the_first_release_are_read() {
    let rows = [
        (created(), &["capture", "saved_method", "off_session", "save_method"][..]),
        (capture_requested(), &["amount", "keep_rest"]),
        (failed("card_declined"), &["decline"]),
    ];
    for (event, absent) in rows {
        let payload = kernel::DomainEvent::payload(&event);
        for field in absent {
            assert!(payload.get(field).is_none(), "{field} is not written where it says nothing");
        }
        let name = kernel::DomainEvent::name(&event);
        assert_eq!(<PaymentEvent as kernel::DomainEvent>::restore(name, 1, payload).unwrap(), event);
    }
}

#[test]
fn a_decline_that_this_release_does_not_know_is_some_decline() {
    let mut payload = kernel::DomainEvent::payload(&declined_softly());
    payload["decline"] = "moon_phase".into();
    let read = <PaymentEvent as kernel::DomainEvent>::restore("payment.failed", 1, payload).unwrap();
    assert!(matches!(read, PaymentEvent::Failed(failed) if failed.decline == Some(crate::Decline::Other)));
}
