//! Saved methods.

use payments_gateway_domain::{Decline, DeclineClass, ProviderState};

use super::rig::{Rig, Way, Wish, read, save};

/// What became of charging a saved method: the state, or the refusal of the order.
async fn charged(rig: &impl Rig, way: Way) -> Result<ProviderState, Decline> {
    let instrument = save(rig, way).await;
    match Wish::of(rig, way).charging(&instrument).send(rig).await {
        Ok(payment) => match payment.state {
            ProviderState::Failed { decline, .. } => Err(decline.unwrap()),
            state => Ok(state),
        },
        Err(error) => Err(error.decline().unwrap()),
    }
}

pub async fn a_method_is_saved_and_charged_while_its_owner_is_away(rig: &impl Rig) {
    let instrument = save(rig, Way::Instant).await;
    assert_eq!(instrument.last4, "4242");
    assert!(!instrument.token.is_empty() && instrument.expiry_year > 2026);
    let wish = Wish::of(rig, Way::Instant).charging(&instrument);
    let first = wish.send(rig).await.unwrap();
    assert_eq!(first.state, ProviderState::Captured);
    assert_eq!(wish.send(rig).await.unwrap().reference, first.reference, "charged once");
}

pub async fn declines_say_their_class(rig: &impl Rig) {
    for decline in [Decline::InsufficientFunds, Decline::StolenCard] {
        let refused = charged(rig, Way::Declined(decline)).await.unwrap_err();
        assert_eq!(refused, decline);
    }
    assert_eq!(Decline::InsufficientFunds.class(), DeclineClass::Soft);
    assert_eq!(Decline::StolenCard.class(), DeclineClass::Hard);
}

pub async fn a_card_that_needs_its_owner_is_declined_as_such(rig: &impl Rig) {
    let refused = charged(rig, Way::Challenge).await.unwrap_err();
    assert_eq!(refused.class(), DeclineClass::Authentication);
}

pub async fn a_forgotten_method_is_forgotten_twice(rig: &impl Rig) {
    let instrument = save(rig, Way::Instant).await;
    for _ in 0..2 {
        rig.provider().forget(&instrument).await.unwrap();
    }
}

pub async fn what_is_paid_with_is_saved_on_request(rig: &impl Rig) {
    let mut wish = Wish::of(rig, Way::Instant);
    wish.terms.save_method = true;
    wish.customer = rig.provider().customer(wish.terms.user_id).await.unwrap();
    let reference = wish.pay(rig, Way::Instant).await;
    let instrument = read(rig, &reference).await.instrument.unwrap();
    let again = Wish::of(rig, Way::Instant).charging(&instrument).send(rig).await.unwrap();
    assert_eq!(again.state, ProviderState::Captured);
    let plain = Wish::of(rig, Way::Instant).pay(rig, Way::Instant).await;
    assert_eq!(read(rig, &plain).await.instrument, None, "nothing is kept unasked");
}
