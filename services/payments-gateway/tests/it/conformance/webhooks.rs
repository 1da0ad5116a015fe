//! What providers tell by themselves.

use kernel::{Clock as _, SystemClock};
use payments_gateway::provider::{News, RawWebhook, WebhookRefusal};
use payments_gateway_domain::{Payment, PaymentCommand, ProviderState, Status};

use super::rig::{Rig, Way, Wish, paid, read, subject, told};

fn refusal(rig: &impl Rig, raw: &RawWebhook) -> WebhookRefusal {
    rig.provider().parse_and_verify_webhook(raw, SystemClock.wall()).unwrap_err()
}

async fn about(rig: &impl Rig, reference: &str) -> RawWebhook {
    told(rig, |event| subject(&event.news) == Some(reference)).await.0
}

pub async fn what_happened_is_told_and_believed(rig: &impl Rig) {
    let reference = paid(rig).await;
    let captured = |news: &News| match news {
        News::Payment { snapshot, .. } => snapshot.state == ProviderState::Captured,
        News::PaymentChanged { .. } => true,
        _ => false,
    };
    let fits = |news: &News| subject(news) == Some(&reference) && captured(news);
    told(rig, |event| fits(&event.news)).await;
}

pub async fn what_is_not_signed_is_not_believed(rig: &impl Rig) {
    let genuine = about(rig, &paid(rig).await).await;
    let unsigned = RawWebhook { headers: Default::default(), ..genuine.clone() };
    if !rig.provider().capabilities().signs_webhooks {
        return;
    }
    assert_eq!(refusal(rig, &unsigned), WebhookRefusal::SignatureMissing);
    let mut tampered = genuine.clone();
    tampered.body.push(b' ');
    assert_eq!(refusal(rig, &tampered), WebhookRefusal::SignatureInvalid);
    let mut forged = genuine;
    for (name, value) in &mut forged.headers {
        if name.contains("signature") {
            *value = value.replace(['1', '2', '3', 'a', 'b', 'A', 'B'], "0");
        }
    }
    let refused = refusal(rig, &forged);
    assert!(matches!(refused, WebhookRefusal::SignatureInvalid | WebhookRefusal::SignatureMissing));
}

pub async fn an_old_signature_is_stale(rig: &impl Rig) {
    let genuine = about(rig, &paid(rig).await).await;
    if !rig.provider().capabilities().signs_webhooks {
        return;
    }
    let now = SystemClock.wall().as_second();
    for seconds in [-301, 330] {
        let old = rig.sign(&genuine.body, now + seconds);
        assert_eq!(refusal(rig, &old), WebhookRefusal::TimestampStale, "{seconds}");
    }
    let fresh = rig.sign(&genuine.body, now - 200);
    assert!(rig.provider().parse_and_verify_webhook(&fresh, SystemClock.wall()).is_ok());
}

pub async fn a_body_that_is_no_event_is_malformed(rig: &impl Rig) {
    let now = SystemClock.wall().as_second();
    for body in ["", "{}", "[]", "not json", r#"{"id":1}"#] {
        let garbage = rig.sign(body.as_bytes(), now);
        assert!(matches!(refusal(rig, &garbage), WebhookRefusal::Malformed(_)), "{body}");
    }
}

/// A payment's reports, each as the provider made it, in every order: the rules end where the
/// provider is.
pub async fn reports_in_any_order_end_the_same(rig: &impl Rig) {
    let wish = Wish::of(rig, Way::Challenge);
    let mut reports = vec![wish.send(rig).await.unwrap()];
    let reference = reports[0].reference.clone();
    rig.customer_confirms(&reference, Way::Challenge).await;
    reports.push(read(rig, &reference).await);
    rig.bank_answers(&reference, true).await;
    reports.push(read(rig, &reference).await);
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1], [2, 2, 2]] {
        let mut payment = Payment::default();
        let mut commands = vec![PaymentCommand::Create(wish.terms.clone())];
        commands.extend(order.map(|nth| PaymentCommand::RecordProviderState(reports[nth].clone())));
        for command in commands {
            let events = kernel::Aggregate::decide(&payment, command, SystemClock.wall()).unwrap();
            events.iter().for_each(|event| kernel::Aggregate::evolve(&mut payment, event));
        }
        assert_eq!(payment.status(), Status::Captured, "{order:?}");
    }
}
