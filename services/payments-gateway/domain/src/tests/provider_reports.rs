//! What providers report, in and out of order.

use jiff::SignedDuration;
use kernel::Aggregate as _;
use kernel::testing::given;
use money::{Currency, Money};

use super::samples::*;
use crate::{
    Payment, PaymentCommand, PaymentRejection, ProviderRefund, ProviderSnapshot, ProviderState,
    RefundOutcome, Status, TimeLimits, VoidReason,
};

#[test]
fn an_immediate_capture_is_acceptance_and_capture() {
    given::<Payment>([created()])
        .when(report(ProviderState::Captured), AT)
        .then([accepted(), captured(false)]);
}

#[test]
fn a_redirect_is_kept_for_the_customer() {
    given::<Payment>([created()]).when(report(redirect()), AT).then([accepted(), action_required()]);
}

#[test]
fn a_capture_after_failure_is_late_and_never_lost() {
    let failed = vec![created(), accepted(), failed("expired")];
    given::<Payment>(failed).when(report(ProviderState::Captured), AT).then([captured(true)]);
    let voided = vec![created(), accepted(), voided()];
    given::<Payment>(voided).when(report(ProviderState::Captured), AT).then([captured(true)]);
}

#[test]
fn a_failure_after_capture_is_an_overtaken_report() {
    given::<Payment>(until_captured()).when(report(declined()), AT).then_nothing();
    given::<Payment>(until_captured()).when(report(ProviderState::Processing), AT).then_nothing();
}

#[test]
fn another_amount_is_recorded_and_not_booked_whatever_the_report_says() {
    let reported = eur(999);
    for (state, name) in [
        (ProviderState::Captured, "captured"),
        (ProviderState::Authorized, "authorized"),
        (declined(), "failed"),
    ] {
        let wrong = ProviderSnapshot { amount: reported, ..snapshot(state) };
        given::<Payment>([created(), accepted()])
            .when(PaymentCommand::RecordProviderState(wrong), AT)
            .then([contradicted(reported, name)]);
    }
}

#[test]
fn another_currency_is_not_booked_though_the_number_is_the_same() {
    let wrong =
        ProviderSnapshot { amount: Money::new(1000, Currency::JPY), ..snapshot(ProviderState::Captured) };
    given::<Payment>([created()])
        .when(PaymentCommand::RecordProviderState(wrong), AT)
        .then([accepted(), contradicted(Money::new(1000, Currency::JPY), "captured")]);
}

#[test]
fn a_report_about_another_payment_is_refused() {
    let other = ProviderSnapshot { reference: "pay_2".to_owned(), ..snapshot(ProviderState::Captured) };
    let (ours, reported) = (REFERENCE.to_owned(), "pay_2".to_owned());
    given::<Payment>([created(), accepted()])
        .when(PaymentCommand::RecordProviderState(other), AT)
        .then_rejected(PaymentRejection::ReferenceDiffers { ours, reported });
}

#[test]
fn what_was_given_up_for_lack_of_time_has_failed_as_expired() {
    let expiring = [until_action_required(), vec![void_requested(VoidReason::Expired)]].concat();
    given::<Payment>(expiring).when(report(ProviderState::Voided), AT).then([failed("expired")]);
    let asked = [until_authorized(), vec![void_requested(VoidReason::Requested)]].concat();
    given::<Payment>(asked).when(report(ProviderState::Voided), AT).then([voided()]);
}

#[test]
fn what_is_reserved_has_a_time_limit_of_its_own() {
    let limits =
        TimeLimits { open: SignedDuration::from_hours(1), authorized: SignedDuration::from_hours(24) };
    let rows = [(past_of(Status::RequiresAction), 1), (past_of(Status::Authorized), 24)];
    for (past, hours) in rows {
        let payment = Payment::replay(&past);
        let limit = AT + SignedDuration::from_hours(hours);
        assert!(payment.is_overdue(limit, limits));
        assert!(!payment.is_overdue(limit - SignedDuration::from_secs(1), limits));
    }
    let captured = Payment::replay(&until_captured());
    assert!(!captured.is_overdue(AT + SignedDuration::from_hours(100), limits));
}

#[test]
fn a_partial_refund_gives_back_only_its_part() {
    given::<Payment>([until_captured(), vec![refund_requested(1, 400)]].concat())
        .when(report_refund(1, 400, RefundOutcome::Completed), AT)
        .then([refunded(1, 400, 400)]);
}

#[test]
fn a_refund_that_overtook_its_capture_brings_the_capture_along() {
    given::<Payment>(until_action_required())
        .when(report_refund(1, 400, RefundOutcome::Completed), AT)
        .then([captured(false), refunded(1, 400, 400)]);
}

#[test]
fn a_refund_made_at_the_provider_is_taken_over() {
    given::<Payment>(until_captured())
        .when(report_refund(9, 1000, RefundOutcome::Completed), AT)
        .then([refunded(9, 1000, 1000)]);
}

#[test]
fn reported_refunds_beyond_the_capture_are_refused() {
    let both = vec![
        ProviderRefund { refund_id: refund_id(1), amount: eur(600), outcome: RefundOutcome::Completed },
        ProviderRefund { refund_id: refund_id(2), amount: eur(401), outcome: RefundOutcome::Completed },
    ];
    let report = ProviderSnapshot { refunds: both, ..snapshot(ProviderState::Captured) };
    given::<Payment>(until_captured())
        .when(PaymentCommand::RecordProviderState(report), AT)
        .then_rejected(PaymentRejection::RefundExceedsCapture { refundable: eur(400) });
}

#[test]
fn a_refund_that_failed_at_the_provider_frees_its_amount() {
    let failed = RefundOutcome::Failed { failure_code: "account_closed".to_owned() };
    given::<Payment>([until_captured(), vec![refund_requested(1, 400)]].concat())
        .when(report_refund(1, 400, failed), AT)
        .then([refund_failed(1)]);
}

#[test]
fn the_same_contradiction_is_recorded_once_and_a_right_report_ends_it() {
    let past = past_of(Status::Contradicted);
    let wrong = ProviderSnapshot { amount: eur(999), ..snapshot(ProviderState::Captured) };
    given::<Payment>(past.clone()).when(PaymentCommand::RecordProviderState(wrong), AT).then_nothing();
    given::<Payment>(past.clone()).when(report(ProviderState::Captured), AT).then([captured(false)]);
    let ended = ProviderSnapshot { amount: eur(999), ..snapshot(ProviderState::Voided) };
    given::<Payment>(past.clone()).when(PaymentCommand::RecordProviderState(ended), AT).then([voided()]);
    given::<Payment>(past).when(PaymentCommand::Expire { voidable: false }, AT).then_nothing();
}

#[test]
fn a_captured_payment_stays_captured_when_its_provider_contradicts_itself() {
    let wrong = ProviderSnapshot { amount: eur(1), ..snapshot(ProviderState::Captured) };
    let state = Payment::replay(&[until_captured(), vec![contradicted(eur(1), "captured")]].concat());
    assert_eq!(state.status(), Status::Captured);
    given::<Payment>(until_captured())
        .when(PaymentCommand::RecordProviderState(wrong), AT)
        .then([contradicted(eur(1), "captured")]);
}

#[test]
fn parts_are_recorded_as_they_grow_and_the_last_one_completes() {
    given::<Payment>(until_authorized())
        .when(report_part(400, true), AT)
        .then([part_captured(400, 400, true)]);
    let part = || past_of(Status::PartiallyCaptured);
    given::<Payment>(part()).when(report_part(400, true), AT).then_nothing();
    given::<Payment>(part()).when(report_part(300, true), AT).then_nothing();
    given::<Payment>(part()).when(report_part(700, false), AT).then([part_captured(300, 700, false)]);
    given::<Payment>(part()).when(report_part(400, false), AT).then([rest_released(600)]);
    given::<Payment>(part()).when(report(ProviderState::Captured), AT).then([captured(false)]);
}

#[test]
fn a_part_beyond_the_whole_is_a_contradiction() {
    for minor in [1001, 0] {
        given::<Payment>(until_authorized())
            .when(report_part(minor, false), AT)
            .then([contradicted(eur(minor), "partially_captured")]);
    }
}

#[test]
fn of_a_part_only_the_part_can_go_back() {
    let last = || [until_authorized(), vec![part_captured(400, 400, false)]].concat();
    given::<Payment>(last())
        .when(refund(1, Some(401)), AT)
        .then_rejected(PaymentRejection::RefundExceedsCapture { refundable: eur(400) });
    given::<Payment>(last()).when(refund(1, None), AT).then([refund_requested(1, 400)]);
    let whole = Payment::replay(&[last(), vec![refund_requested(1, 400), refunded(1, 400, 400)]].concat());
    assert_eq!(whole.status(), Status::Refunded);
}

#[test]
fn what_may_still_change_is_watched() {
    use crate::Step;
    let reserved = Payment::replay(&past_of(Status::PartiallyCaptured));
    assert_eq!(reserved.step(), Step::Watch);
    let disputed = Payment::replay(&[until_captured(), vec![dispute_opened(400)]].concat());
    assert_eq!(disputed.step(), Step::Watch);
    let lost = Payment::replay(&[until_captured(), vec![dispute_opened(400), dispute_lost(400)]].concat());
    assert_eq!(lost.step(), Step::Rest);
}
