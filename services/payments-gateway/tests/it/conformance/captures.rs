//! Taking what is reserved.

use payments_gateway_domain::ProviderState;

use super::rig::{Rig, Way, Wish, eur, read};

async fn reserved(rig: &impl Rig) -> (Wish, String) {
    let wish = Wish::of(rig, Way::Instant).reserved();
    let reference = wish.pay(rig, Way::Instant).await;
    assert_eq!(read(rig, &reference).await.state, ProviderState::Authorized);
    (wish, reference)
}

pub async fn what_is_reserved_is_taken_once(rig: &impl Rig) {
    let (wish, reference) = reserved(rig).await;
    for _ in 0..2 {
        let taken = wish.capture(rig, &reference, (1, None)).await.unwrap();
        assert_eq!(taken.state, ProviderState::Captured);
    }
    assert_eq!(read(rig, &reference).await.amount, eur(2000));
}

pub async fn a_part_is_taken_and_the_rest_released(rig: &impl Rig) {
    let (wish, reference) = reserved(rig).await;
    if !rig.provider().capabilities().partial_captures {
        assert!(wish.capture(rig, &reference, (1, Some(700))).await.unwrap_err().refusal().is_some());
        return;
    }
    let part = ProviderState::PartiallyCaptured { captured: eur(700), rest_reserved: false };
    for _ in 0..2 {
        let taken = wish.capture(rig, &reference, (1, Some(700))).await.unwrap();
        assert_eq!((&taken.state, taken.amount), (&part, eur(2000)));
    }
    assert_eq!(read(rig, &reference).await.state, part);
    let more = wish.capture(rig, &reference, (2, Some(100))).await.unwrap_err();
    assert!(more.refusal().is_some(), "the rest was released: {more:?}");
}

pub async fn more_than_is_reserved_is_not_taken(rig: &impl Rig) {
    let (wish, reference) = reserved(rig).await;
    let refused = wish.capture(rig, &reference, (1, Some(2001))).await.unwrap_err();
    assert!(refused.refusal().is_some(), "{refused:?}");
    assert_eq!(read(rig, &reference).await.state, ProviderState::Authorized);
}

pub async fn the_same_capture_at_a_time_takes_once(rig: &impl Rig) {
    let (wish, reference) = reserved(rig).await;
    let calls = (0..10).map(|_| wish.capture(rig, &reference, (1, Some(700))));
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
    let taken = ProviderState::PartiallyCaptured { captured: eur(700), rest_reserved: false };
    assert_eq!(read(rig, &reference).await.state, taken);
}
