//! The rig of Stripe.

use std::time::Duration;

use payments_gateway::provider::{PaymentProvider, RawWebhook};
use payments_gateway::stripe::{Mode, Settings, Stripe};
use payments_gateway_domain::Decline;
use payments_gateway_doubles::gate::Gate;
use payments_gateway_doubles::sink::Sink;
use payments_gateway_doubles::stripe as double;
use secrecy::SecretString;

use super::rig::{Rig, Way};

pub struct StripeRig {
    provider: Stripe,
    gate: Gate,
    sink: Sink,
    double: double::Stripe,
}

pub fn settings(base_url: String) -> Settings {
    let secret = |text: &str| SecretString::from(text.to_owned());
    Settings {
        base_url,
        timeout: Duration::from_secs(5),
        mode: Mode::Test,
        secret_key: secret(double::SECRET_KEY),
        publishable_key: double::PUBLISHABLE_KEY.to_owned(),
        webhook_secrets: vec![secret(double::WEBHOOK_SECRET)],
    }
}

/// The test token of Stripe's documentation for a way.
fn token(way: Way) -> &'static str {
    match way {
        Way::Instant => "pm_card_visa",
        Way::Challenge => "pm_card_authenticationRequired",
        Way::Debit => "pm_sepa",
        Way::Declined(Decline::InsufficientFunds) => "pm_card_chargeDeclinedInsufficientFunds",
        Way::Declined(Decline::StolenCard) => "pm_card_chargeDeclinedStolenCard",
        Way::Declined(other) => panic!("no token for {other:?}"),
    }
}

impl Rig for StripeRig {
    async fn start() -> Self {
        let (sink, hooks) = Sink::start().await;
        let (double, address) = double::Stripe::start(&hooks).await;
        let (gate, address) = Gate::before(&address).await;
        Self { provider: Stripe::new(settings(address)).unwrap(), gate, sink, double }
    }

    fn provider(&self) -> &dyn PaymentProvider {
        &self.provider
    }

    fn gate(&self) -> &Gate {
        &self.gate
    }

    fn sink(&self) -> &Sink {
        &self.sink
    }

    fn method(&self, way: Way) -> Option<&'static str> {
        Some(if way == Way::Debit { "stripe_sepa_debit" } else { "stripe_card" })
    }

    async fn customer_confirms(&self, reference: &str, way: Way) {
        self.double.customer_confirms(reference, token(way));
    }

    async fn bank_answers(&self, reference: &str, confirmed: bool) {
        self.double.bank_answers(reference, confirmed);
    }

    async fn debit_ends(&self, reference: &str, paid: bool) {
        self.double.debit_ends(reference, paid);
    }

    async fn disputes(&self, reference: &str, minor: i64) {
        self.double.dispute(reference, minor);
    }

    async fn decides(&self, reference: &str, won: bool) {
        let dispute = self.provider.fetch(reference).await.unwrap().disputes[0].reference.clone();
        self.double.close_dispute(&dispute, if won { "won" } else { "lost" });
    }

    fn sign(&self, body: &[u8], at: i64) -> RawWebhook {
        let header = double::sign(double::WEBHOOK_SECRET, at, std::str::from_utf8(body).unwrap());
        RawWebhook { headers: [("stripe-signature".to_owned(), header)].into(), body: body.to_vec() }
    }
}

super::suite!(StripeRig);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_customer_gets_the_secret_of_the_form_and_card_data_never_come_here() {
    let rig = StripeRig::start().await;
    let made = super::rig::Wish::of(&rig, Way::Instant).send(&rig).await.unwrap();
    let action = rig.provider.next_action(&made.reference).await.unwrap();
    assert_eq!(action.publishable_key.as_deref(), Some(double::PUBLISHABLE_KEY));
    assert!(action.client_secret.unwrap().starts_with(&made.reference));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_amount_that_stripe_cannot_say_is_refused_before_anything_is_asked() {
    let rig = StripeRig::start().await;
    for (minor, code) in [(1999, "KWD"), (550, "MGA")] {
        let amount = ::money::Money::new(minor, code.parse().unwrap());
        let refused = super::rig::Wish::of(&rig, Way::Instant).costing(amount).send(&rig).await.unwrap_err();
        assert_eq!(refused.refusal(), Some("amount_not_representable"), "{code}");
    }
    assert!(rig.gate.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_others_and_of_the_other_mode_are_nothing() {
    use kernel::Clock as _;
    use payments_gateway::provider::News;
    let rig = StripeRig::start().await;
    let now = kernel::SystemClock.wall();
    let foreign = serde_json::json!({"id": "pi_1", "object": "payment_intent", "metadata": {}});
    let plan = serde_json::json!({"id": "price_1", "object": "plan"});
    for (kind, object) in [("payment_intent.succeeded", &foreign), ("plan.created", &plan)] {
        let (_, body) = double::Stripe::event("evt_1", kind, object, now.as_second());
        for body in [body.clone(), body.replace(r#""livemode":false"#, r#""livemode":true"#)] {
            let raw = rig.sign(body.as_bytes(), now.as_second());
            let event = rig.provider.parse_and_verify_webhook(&raw, now).unwrap();
            assert!(matches!(event.news, News::Nothing), "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_another_version_of_the_api_is_only_a_hint() {
    use kernel::Clock as _;
    use payments_gateway::provider::News;
    let rig = StripeRig::start().await;
    let reference = super::rig::paid(&rig).await;
    let now = kernel::SystemClock.wall();
    let intent = rig.double.intents().into_iter().find(|intent| intent["id"] == reference.as_str()).unwrap();
    let (_, body) = double::Stripe::event("evt_1", "payment_intent.succeeded", &intent, now.as_second());
    let raw = rig.sign(body.replace("2024-06-20", "2019-01-01").as_bytes(), now.as_second());
    let event = rig.provider.parse_and_verify_webhook(&raw, now).unwrap();
    assert!(matches!(event.news, News::PaymentChanged { .. }));
}
