//! Disputes that opened or ended since we last heard. What is decided stays decided: a report from
//! before the decision is silent. A dispute in another currency is none of this payment's money.

use crate::{DisputeOutcome, Disputed, Payment, PaymentEvent, ProviderDispute, Terms};

/// What the listed disputes change. One that is heard of only after its end opens and ends at once.
pub fn disputes(payment: &Payment, terms: &Terms, reported: &[ProviderDispute]) -> Vec<PaymentEvent> {
    let ours = reported.iter().filter(|dispute| dispute.amount.currency() == terms.amount.currency());
    ours.flat_map(|dispute| {
        let known = payment.disputes.get(&dispute.reference).map(|known| known.outcome);
        news(known, dispute.outcome).iter().map(|outcome| event(terms, dispute, *outcome))
    })
    .collect()
}

const fn news(known: Option<DisputeOutcome>, reported: DisputeOutcome) -> &'static [DisputeOutcome] {
    use DisputeOutcome::{Lost, Open, Won};
    match (known, reported) {
        (None, Open) => &[Open],
        (None, Won) => &[Open, Won],
        (None, Lost) => &[Open, Lost],
        (Some(Open), Won) => &[Won],
        (Some(Open), Lost) => &[Lost],
        _ => &[],
    }
}

fn event(terms: &Terms, dispute: &ProviderDispute, outcome: DisputeOutcome) -> PaymentEvent {
    let disputed = Disputed {
        invoice_id: terms.invoice_id,
        dispute_reference: dispute.reference.clone(),
        amount: dispute.amount,
        reason: dispute.reason.clone(),
    };
    match outcome {
        DisputeOutcome::Open => PaymentEvent::DisputeOpened(disputed),
        DisputeOutcome::Won => PaymentEvent::DisputeWon(disputed),
        DisputeOutcome::Lost => PaymentEvent::DisputeLost(disputed),
    }
}

#[cfg(test)]
mod tests {
    use kernel::testing::given;

    use crate::tests::samples::*;
    use crate::{DisputeOutcome, Payment, PaymentRejection};

    #[test]
    fn a_dispute_opens_once_and_is_decided_once() {
        given::<Payment>(until_captured())
            .when(report_dispute(1000, DisputeOutcome::Open), AT)
            .then([dispute_opened(1000)]);
        let open = || [until_captured(), vec![dispute_opened(1000)]].concat();
        given::<Payment>(open()).when(report_dispute(1000, DisputeOutcome::Open), AT).then_nothing();
        given::<Payment>(open())
            .when(report_dispute(1000, DisputeOutcome::Won), AT)
            .then([dispute_won(1000)]);
        let won = [open(), vec![dispute_won(1000)]].concat();
        given::<Payment>(won.clone()).when(report_dispute(1000, DisputeOutcome::Open), AT).then_nothing();
        given::<Payment>(won).when(report_dispute(1000, DisputeOutcome::Lost), AT).then_nothing();
    }

    #[test]
    fn a_dispute_that_is_heard_of_late_opens_and_ends() {
        given::<Payment>(until_captured())
            .when(report_dispute(400, DisputeOutcome::Lost), AT)
            .then([dispute_opened(400), dispute_lost(400)]);
    }

    #[test]
    fn disputed_money_does_not_go_back_a_second_time() {
        let open = [until_captured(), vec![dispute_opened(700)]].concat();
        given::<Payment>(open.clone())
            .when(refund(1, Some(301)), AT)
            .then_rejected(PaymentRejection::RefundExceedsCapture { refundable: eur(300) });
        given::<Payment>([open.clone(), vec![dispute_won(700)]].concat())
            .when(refund(1, Some(1000)), AT)
            .then([refund_requested(1, 1000)]);
        given::<Payment>([open, vec![dispute_lost(700)]].concat())
            .when(refund(1, None), AT)
            .then([refund_requested(1, 300)]);
    }
}
