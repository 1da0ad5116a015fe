//! From the order to its end.

use payments_gateway_domain::{DeclineClass, ProviderState};

use super::rig::{Rig, Way, Wish, eur, paid, read};

pub async fn a_payment_is_made_confirmed_and_read(rig: &impl Rig) {
    let wish = Wish::of(rig, Way::Instant);
    let reference = wish.pay(rig, Way::Instant).await;
    let payment = read(rig, &reference).await;
    assert_eq!((payment.state, payment.amount), (ProviderState::Captured, eur(2000)));
    let action = rig.provider().next_action(&reference).await.unwrap();
    assert_eq!(action, payments_gateway::provider::NextAction::default(), "nothing is left to do");
}

pub async fn the_same_order_is_the_same_payment(rig: &impl Rig) {
    let wish = Wish::of(rig, Way::Instant);
    let first = wish.pay(rig, Way::Instant).await;
    assert_eq!(wish.send(rig).await.unwrap().reference, first);
    let other = Wish::of(rig, Way::Instant).send(rig).await.unwrap();
    assert_ne!(other.reference, first, "another id is another payment");
    let dearer = wish.costing(eur(2001)).send(rig).await.unwrap_err();
    assert!(dearer.refusal().is_some(), "the same id with other terms: {dearer:?}");
}

pub async fn twenty_orders_at_a_time_are_one_payment(rig: &impl Rig) {
    let wish = Wish::of(rig, Way::Instant);
    let answers = futures::future::join_all((0..20).map(|_| wish.send(rig))).await;
    let answers = answers.into_iter().map(|answer| answer.unwrap().reference);
    let references: std::collections::BTreeSet<_> = answers.collect();
    assert_eq!(references.len(), 1);
}

pub async fn what_is_given_up_is_voided_and_stays_so(rig: &impl Rig) {
    let reference = Wish::of(rig, Way::Instant).reserved().pay(rig, Way::Instant).await;
    for _ in 0..2 {
        assert_eq!(rig.provider().void(&reference).await.unwrap().state, ProviderState::Voided);
    }
    assert_eq!(read(rig, &reference).await.state, ProviderState::Voided);
}

pub async fn a_paid_payment_is_not_given_up(rig: &impl Rig) {
    let reference = paid(rig).await;
    assert!(rig.provider().void(&reference).await.unwrap_err().refusal().is_some());
    assert_eq!(read(rig, &reference).await.state, ProviderState::Captured);
}

pub async fn a_challenge_leads_to_the_bank_and_back(rig: &impl Rig) {
    let reference = Wish::of(rig, Way::Challenge).pay(rig, Way::Challenge).await;
    let waiting = read(rig, &reference).await;
    let ProviderState::RequiresAction { redirect_url } = waiting.state else { panic!("{waiting:?}") };
    let action = rig.provider().next_action(&reference).await.unwrap();
    assert_eq!(action.redirect_url, Some(redirect_url), "the bank's page");
    rig.bank_answers(&reference, true).await;
    assert_eq!(read(rig, &reference).await.state, ProviderState::Captured);
}

pub async fn a_failed_challenge_takes_nothing(rig: &impl Rig) {
    let reference = Wish::of(rig, Way::Challenge).pay(rig, Way::Challenge).await;
    rig.bank_answers(&reference, false).await;
    let after = read(rig, &reference).await.state;
    // The customer is there: a provider may let another card be tried.
    let over = matches!(after, ProviderState::Failed { .. } | ProviderState::RequiresAction { .. });
    assert!(over && !after.took_money(), "{after:?}");
}

pub async fn a_debit_is_processing_until_it_is_paid(rig: &impl Rig) {
    let reference = Wish::of(rig, Way::Debit).pay(rig, Way::Debit).await;
    assert_eq!(read(rig, &reference).await.state, ProviderState::Processing);
    rig.debit_ends(&reference, true).await;
    assert_eq!(read(rig, &reference).await.state, ProviderState::Captured);
}

pub async fn a_debit_that_bounces_has_failed_with_its_class(rig: &impl Rig) {
    let reference = Wish::of(rig, Way::Debit).pay(rig, Way::Debit).await;
    rig.debit_ends(&reference, false).await;
    let ProviderState::Failed { decline, .. } = read(rig, &reference).await.state else { panic!() };
    assert_eq!(decline.map(|decline| decline.class()), Some(DeclineClass::Soft));
}

pub async fn an_unknown_payment_is_no_payment(rig: &impl Rig) {
    let error = rig.provider().fetch("pi_00000000000000000000").await.unwrap_err();
    assert!(error.refusal().is_some(), "{error:?}");
}
