//! Giving back, and what customers' banks take back.

use ids::RefundId;
use payments_gateway_domain::{DisputeOutcome, ProviderSnapshot, ProviderState, RefundOutcome};

use super::rig::{Rig, eur, paid, read, refund};

fn given_back(payment: &ProviderSnapshot) -> i64 {
    let done = payment.refunds.iter().filter(|refund| refund.outcome == RefundOutcome::Completed);
    done.map(|refund| refund.amount.minor()).sum()
}

pub async fn the_whole_goes_back(rig: &impl Rig) {
    let (reference, id) = (paid(rig).await, RefundId::new());
    let after = refund(rig, &reference, id, 2000).await.unwrap();
    assert_eq!((given_back(&after), after.refunds[0].refund_id), (2000, id));
    assert_eq!(after.state, ProviderState::Captured, "the capture stays a capture");
}

pub async fn parts_go_back_each_once(rig: &impl Rig) {
    let (reference, first) = (paid(rig).await, RefundId::new());
    for _ in 0..2 {
        refund(rig, &reference, first, 700).await.unwrap();
    }
    let after = refund(rig, &reference, RefundId::new(), 1300).await.unwrap();
    assert_eq!((given_back(&after), after.refunds.len()), (2000, 2));
}

pub async fn never_more_goes_back_than_was_taken(rig: &impl Rig) {
    let reference = paid(rig).await;
    refund(rig, &reference, RefundId::new(), 1500).await.unwrap();
    let greedy = refund(rig, &reference, RefundId::new(), 501).await.unwrap_err();
    assert!(greedy.refusal().is_some(), "{greedy:?}");
    assert_eq!(given_back(&read(rig, &reference).await), 1500);
}

pub async fn twenty_refunds_with_one_id_are_one(rig: &impl Rig) {
    let (reference, id) = (paid(rig).await, RefundId::new());
    let calls = (0..20).map(|_| refund(rig, &reference, id, 700));
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(given_back(&read(rig, &reference).await), 700);
}

pub async fn a_dispute_is_reported_until_it_is_decided(rig: &impl Rig) {
    for (won, outcome) in [(true, DisputeOutcome::Won), (false, DisputeOutcome::Lost)] {
        let reference = paid(rig).await;
        rig.disputes(&reference, 1500).await;
        let disputed = read(rig, &reference).await.disputes;
        assert_eq!((disputed[0].amount, disputed[0].outcome), (eur(1500), DisputeOutcome::Open));
        rig.decides(&reference, won).await;
        assert_eq!(read(rig, &reference).await.disputes[0].outcome, outcome);
    }
}
