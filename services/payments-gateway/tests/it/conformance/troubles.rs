//! Networks and providers in trouble: what is an answer, what is not, and that asking again is safe.

use std::time::Duration;

use ids::RefundId;
use payments_gateway::provider::ProviderError;
use payments_gateway_domain::ProviderState;
use payments_gateway_doubles::gate::Trouble;

use super::rig::{Rig, Way, Wish, eur, paid, read, refund, save};

pub async fn a_lost_answer_is_unknown_and_the_same_question_finds_it(rig: &impl Rig) {
    let instrument = save(rig, Way::Instant).await;
    for trouble in [Trouble::Lost, Trouble::CutOff] {
        let wish = Wish::of(rig, Way::Instant).charging(&instrument);
        rig.gate().then([trouble]);
        let lost = wish.send(rig).await.unwrap_err();
        assert!(matches!(lost, ProviderError::Unknown(_)), "{trouble:?}: {lost:?}");
        let found = wish.send(rig).await.unwrap();
        assert_eq!(found.state, ProviderState::Captured);
        assert_eq!(read(rig, &found.reference).await.amount, eur(2000), "charged once");
    }
}

pub async fn a_provider_that_is_down_did_nothing(rig: &impl Rig) {
    let wish = Wish::of(rig, Way::Instant);
    rig.gate().then([Trouble::Down]);
    let down = wish.send(rig).await.unwrap_err();
    assert!(down.is_trouble() && down.refusal().is_none(), "{down:?}");
    let reference = wish.pay(rig, Way::Instant).await;
    assert_eq!(read(rig, &reference).await.state, ProviderState::Captured, "back again");
}

pub async fn a_limit_says_when_to_come_back(rig: &impl Rig) {
    let wish = Wish::of(rig, Way::Instant);
    rig.gate().then([Trouble::Limited(7)]);
    match wish.send(rig).await.unwrap_err() {
        ProviderError::Limited { retry_after } => assert_eq!(retry_after, Some(Duration::from_secs(7))),
        other => panic!("{other:?}"),
    }
    wish.send(rig).await.unwrap();
}

pub async fn a_garbled_answer_is_unknown_not_a_no(rig: &impl Rig) {
    let reference = paid(rig).await;
    rig.gate().then([Trouble::Garbled]);
    let garbled = rig.provider().fetch(&reference).await.unwrap_err();
    assert!(matches!(garbled, ProviderError::Unknown(_)), "{garbled:?}");
    let wish = Wish::of(rig, Way::Instant);
    rig.gate().then([Trouble::Garbled]);
    assert!(matches!(wish.send(rig).await.unwrap_err(), ProviderError::Unknown(_)));
}

pub async fn a_lost_refund_is_made_once(rig: &impl Rig) {
    let (reference, id) = (paid(rig).await, RefundId::new());
    for _ in 0..3 {
        rig.gate().then([Trouble::Lost]);
        assert!(refund(rig, &reference, id, 700).await.unwrap_err().refusal().is_none());
    }
    let after = refund(rig, &reference, id, 700).await.unwrap();
    assert_eq!((after.refunds.len(), after.refunds[0].amount), (1, eur(700)));
}

pub async fn a_lost_capture_is_made_once(rig: &impl Rig) {
    let wish = Wish::of(rig, Way::Instant).reserved();
    let reference = wish.pay(rig, Way::Instant).await;
    rig.gate().then([Trouble::Lost]);
    let lost = wish.capture(rig, &reference, (1, Some(700))).await.unwrap_err();
    assert!(matches!(lost, ProviderError::Unknown(_)), "{lost:?}");
    let taken = wish.capture(rig, &reference, (1, Some(700))).await.unwrap();
    let part = ProviderState::PartiallyCaptured { captured: eur(700), rest_reserved: false };
    assert_eq!(taken.state, part);
}
