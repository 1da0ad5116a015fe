//! Laws that hold whatever is asked in whatever order.

use kernel::Aggregate;
use money::{Currency, Money};
use proptest::prelude::*;

use super::samples::*;
use crate::{
    DisputeOutcome, Payment, PaymentCommand, PaymentEvent, ProviderDispute, ProviderRefund, ProviderSnapshot,
    ProviderState, RefundOutcome, Step,
};

fn any_state() -> impl Strategy<Value = ProviderState> {
    prop_oneof![
        1 => Just(redirect()),
        1 => Just(ProviderState::Processing),
        1 => Just(ProviderState::Authorized),
        3 => Just(ProviderState::Captured),
        3 => (1i64..1100, any::<bool>()).prop_map(|(minor, rest_reserved)| {
            ProviderState::PartiallyCaptured { captured: eur(minor), rest_reserved }
        }),
        1 => Just(declined()),
        1 => Just(ProviderState::Voided),
    ]
}

fn any_outcome() -> impl Strategy<Value = RefundOutcome> {
    let failed = RefundOutcome::Failed { failure_code: "account_closed".to_owned() };
    prop_oneof![1 => Just(RefundOutcome::Pending), 2 => Just(RefundOutcome::Completed), 1 => Just(failed)]
}

fn any_dispute() -> impl Strategy<Value = DisputeOutcome> {
    prop_oneof![Just(DisputeOutcome::Open), Just(DisputeOutcome::Won), Just(DisputeOutcome::Lost)]
}

fn any_snapshot() -> impl Strategy<Value = PaymentCommand> {
    let refund = (1u32..5, 1i64..700, any_outcome());
    let amount =
        prop_oneof![8 => Just(eur(1000)), 1 => Just(eur(999)), 1 => Just(Money::new(1000, Currency::JPY))];
    let disputes = prop::collection::vec((1i64..700, any_dispute()), 0..2);
    let refunds = prop::collection::vec(refund, 0..3);
    (any_state(), amount, refunds, disputes).prop_map(|(state, amount, refunds, disputes)| {
        let refunds = refunds.into_iter().map(|(nth, minor, outcome)| ProviderRefund {
            refund_id: refund_id(nth),
            amount: eur(minor),
            outcome,
        });
        let refunds = refunds.collect();
        let disputes = disputes.into_iter().map(|(minor, outcome)| ProviderDispute {
            reference: format!("dp_{minor}"),
            amount: eur(minor),
            reason: "fraudulent".to_owned(),
            outcome,
        });
        let disputes = disputes.collect();
        PaymentCommand::RecordProviderState(ProviderSnapshot { amount, refunds, disputes, ..snapshot(state) })
    })
}

fn any_command() -> impl Strategy<Value = PaymentCommand> {
    let code = || "refused".to_owned();
    prop_oneof![
        1 => Just(PaymentCommand::Create(terms())),
        6 => any_snapshot(),
        1 => Just(PaymentCommand::RecordProviderRefusal { failure_code: code(), decline: None }),
        2 => (prop::option::of(1i64..1200), any::<bool>()).prop_map(|(minor, keep)| capture(minor, keep)),
        1 => Just(PaymentCommand::RecordCaptureRefusal { failure_code: code() }),
        1 => Just(PaymentCommand::RequestVoid),
        1 => any::<bool>().prop_map(|voidable| PaymentCommand::Expire { voidable }),
        3 => (1u32..5, prop::option::of(1i64..1200)).prop_map(|(nth, minor)| refund(nth, minor)),
        1 => (1u32..5).prop_map(|nth| PaymentCommand::RecordRefundRefusal {
            refund_id: refund_id(nth),
            failure_code: "refused".to_owned()
        }),
    ]
}

/// Runs the commands and keeps what happened; refusals change nothing.
fn run(commands: &[PaymentCommand]) -> (Payment, Vec<PaymentEvent>) {
    let (mut payment, mut history) = (Payment::default(), Vec::new());
    for command in commands {
        for event in payment.decide(command.clone(), AT).unwrap_or_default() {
            payment.evolve(&event);
            history.push(event);
        }
    }
    (payment, history)
}

fn commands() -> impl Strategy<Value = Vec<PaymentCommand>> {
    prop::collection::vec(any_command(), 0..30).prop_map(|rest| {
        let mut all = vec![PaymentCommand::Create(terms())];
        all.extend(rest);
        all
    })
}

proptest! {
    #[test]
    fn the_parts_that_are_captured_add_up_and_never_exceed_what_was_agreed(commands in commands()) {
        let (payment, history) = run(&commands);
        let (mut total, mut wholes) = (0, 0);
        for event in &history {
            match event {
                PaymentEvent::PartiallyCaptured(part) => {
                    total += part.amount.minor();
                    prop_assert_eq!(part.captured_total, eur(total));
                    prop_assert!(total < 1000);
                }
                PaymentEvent::Captured(captured) => {
                    total = captured.amount.minor();
                    wholes += 1;
                    prop_assert_eq!(captured.amount, eur(1000));
                }
                _ => {}
            }
        }
        prop_assert!(wholes <= 1);
        prop_assert_eq!(payment.captured().map_or(0, Money::minor), total);
    }

    #[test]
    fn wrong_money_is_never_booked(commands in commands()) {
        let (_, history) = run(&commands);
        for event in history {
            if let PaymentEvent::Contradicted(contradiction) = event {
                prop_assert_ne!(contradiction.reported, contradiction.expected);
            }
        }
    }

    #[test]
    fn refunds_never_exceed_the_capture(commands in commands()) {
        let (payment, history) = run(&commands);
        let gone: i64 = history.iter().map(|event| match event {
            PaymentEvent::Refunded(refunded) => refunded.amount.minor(),
            _ => 0,
        }).sum();
        prop_assert!(gone <= payment.captured().map_or(0, Money::minor));
        prop_assert_eq!(payment.refunded().map_or(0, Money::minor), gone);
        if gone > 0 {
            prop_assert!(payment.status().was_captured());
        }
    }

    #[test]
    fn the_same_command_twice_happens_once(commands in commands(), last in any_command()) {
        let (mut payment, _) = run(&commands);
        for event in payment.decide(last.clone(), AT).unwrap_or_default() {
            payment.evolve(&event);
        }
        prop_assert_eq!(payment.decide(last, AT).unwrap_or_default(), []);
    }

    #[test]
    fn what_was_captured_stays_captured(commands in commands()) {
        let mut payment = Payment::default();
        let mut captured = false;
        for command in commands {
            for event in payment.decide(command, AT).unwrap_or_default() {
                payment.evolve(&event);
            }
            prop_assert!(!captured || payment.status().was_captured());
            captured = payment.status().was_captured();
        }
    }

    #[test]
    fn replay_equals_live(commands in commands()) {
        let (live, history) = run(&commands);
        prop_assert_eq!(Payment::replay(&history), live);
    }

    #[test]
    fn something_is_asked_exactly_while_something_is_open(commands in commands()) {
        let (payment, _) = run(&commands);
        let pending = payment.refunds().values().any(|refund| refund.outcome == RefundOutcome::Pending);
        let disputed = payment.disputes().values().any(|dispute| dispute.outcome == DisputeOutcome::Open);
        let open = payment.status().is_open() || pending || payment.capturable().is_some() || disputed;
        prop_assert_eq!(payment.step() != Step::Rest, open);
    }
}
