//! What every provider does, run against each of them: the second half of the port.
//!
//! A rig is an adapter in front of the double of its provider, with a gate between them that makes
//! trouble and a sink for webhooks. The suite asks the adapter and plays the customer through the rig;
//! it never looks at the wire. A new provider is one adapter, one double and one rig: it then passes
//! this list, or says in its capabilities what it cannot do.

mod captures;
mod lifecycle;
mod money;
mod refunds;
pub mod rig;
mod sandbox;
mod saving;
pub mod stripe;
mod troubles;
mod webhooks;

/// Every test of the suite, for one rig.
macro_rules! suite {
    ($rig:ident) => {
        crate::conformance::tests! { $rig,
            lifecycle: [
                a_payment_is_made_confirmed_and_read, the_same_order_is_the_same_payment,
                twenty_orders_at_a_time_are_one_payment, what_is_given_up_is_voided_and_stays_so,
                a_paid_payment_is_not_given_up, a_challenge_leads_to_the_bank_and_back,
                a_failed_challenge_takes_nothing, a_debit_is_processing_until_it_is_paid,
                a_debit_that_bounces_has_failed_with_its_class, an_unknown_payment_is_no_payment,
            ],
            captures: [
                what_is_reserved_is_taken_once, a_part_is_taken_and_the_rest_released,
                more_than_is_reserved_is_not_taken, the_same_capture_at_a_time_takes_once,
            ],
            refunds: [
                the_whole_goes_back, parts_go_back_each_once, never_more_goes_back_than_was_taken,
                twenty_refunds_with_one_id_are_one, a_dispute_is_reported_until_it_is_decided,
            ],
            saving: [
                a_method_is_saved_and_charged_while_its_owner_is_away, declines_say_their_class,
                a_card_that_needs_its_owner_is_declined_as_such, a_forgotten_method_is_forgotten_twice,
                what_is_paid_with_is_saved_on_request,
            ],
            troubles: [
                a_lost_answer_is_unknown_and_the_same_question_finds_it, a_provider_that_is_down_did_nothing,
                a_limit_says_when_to_come_back, a_garbled_answer_is_unknown_not_a_no,
                a_lost_refund_is_made_once, a_lost_capture_is_made_once,
            ],
            webhooks: [
                what_happened_is_told_and_believed, what_is_not_signed_is_not_believed,
                an_old_signature_is_stale, a_body_that_is_no_event_is_malformed,
                reports_in_any_order_end_the_same,
            ],
            money: [amounts_of_every_exponent_come_back_as_they_went],
        }
    };
}

macro_rules! tests {
    ($rig:ident, $($module:ident: [$($test:ident),+ $(,)?]),+ $(,)?) => {
        $(mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let rig = <super::$rig as crate::conformance::rig::Rig>::start().await;
                    crate::conformance::$module::$test(&rig).await;
                }
            )+
        })+
    };
}

use {suite, tests};
