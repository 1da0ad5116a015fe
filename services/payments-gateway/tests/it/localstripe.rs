//! Stripe by other hands: the third-party server `localstripe`, and the official SDK's signer. Both
//! are installed from `tests/stripe/requirements.txt` into the target folder, unless they are there;
//! where they cannot be installed the tests fail.
//!
//! `localstripe` knows no idempotency keys, no over-refund check and no disputes: those are the
//! double's part. What it adds is that nobody of us wrote it.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use kernel::{Clock as _, SystemClock};
use payments_gateway::provider::{News, PaymentProvider, RawWebhook, SetupOrder, SetupState, WebhookRefusal};
use payments_gateway::stripe::{Settings, Stripe};
use payments_gateway_domain::{CaptureMode, DeclineClass, Instrument, ProviderState, RefundOutcome};
use payments_gateway_doubles::sink::Sink;
use secrecy::SecretString;
use serde_json::Value;

use crate::conformance::rig::{Wish, eur};
use crate::conformance::stripe::settings;

static INSTALLED: OnceLock<PathBuf> = OnceLock::new();

const SECRET_KEY: &str = "sk_test_12345";
const WEBHOOK_SECRET: &str = "whsec_localstripe";

/// The Python environment with both, made once.
fn environment() -> &'static PathBuf {
    INSTALLED.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stripe-python");
        let wanted = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stripe/requirements.txt");
        let stamp = folder.join("installed.txt");
        let text = std::fs::read_to_string(&wanted).unwrap();
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == text) {
            return folder;
        }
        let made = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).status();
        assert!(made.unwrap().success(), "python3 -m venv");
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(wanted);
        assert!(pip.status().unwrap().success(), "pip install");
        std::fs::write(stamp, text).unwrap();
        folder
    })
}

struct Local {
    process: Child,
    base: String,
    client: reqwest::Client,
    provider: Stripe,
    sink: Sink,
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Local {
    async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(environment().join("bin/localstripe"))
            .args(["--from-scratch", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let base = format!("http://127.0.0.1:{port}");
        let secret = |text: &str| SecretString::from(text.to_owned());
        let settings = Settings {
            secret_key: secret(SECRET_KEY),
            webhook_secrets: vec![secret(WEBHOOK_SECRET)],
            ..settings(base.clone())
        };
        let (sink, hooks) = Sink::start().await;
        let provider = Stripe::new(settings).unwrap();
        let local = Self { process, base, client: reqwest::Client::new(), provider, sink };
        local.wait().await;
        local.post("/_config/webhooks/ours", &[("url", hooks.as_str()), ("secret", WEBHOOK_SECRET)]).await;
        local
    }

    async fn wait(&self) {
        for _ in 0..400 {
            if self.client.get(format!("{}/v1/customers", self.base)).send().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("localstripe does not answer");
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(SECRET_KEY).form(form);
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap_or_default()
    }

    /// Saves a test card through our adapter, the customer's form being played over HTTP.
    async fn saved(&self, card: &str) -> Instrument {
        let user_id = ids::UserId::new();
        let customer = self.provider.customer(user_id).await.unwrap();
        let order = SetupOrder {
            setup_id: ids::SetupId::new(),
            user_id,
            method: "stripe_card",
            customer: &customer,
            return_url: "https://shop.example/back",
        };
        let reference = self.provider.set_up(order).await.unwrap().reference;
        let (_, action) = self.provider.fetch_setup(&reference).await.unwrap();
        let secret = action.client_secret.unwrap();
        let path = format!("/v1/setup_intents/{reference}/confirm");
        self.post(&path, &[("payment_method", card), ("client_secret", &secret)]).await;
        let attach = |token: &str| format!("/v1/payment_methods/{token}/attach");
        match self.provider.fetch_setup(&reference).await.unwrap().0.state {
            SetupState::Succeeded(instrument) => {
                self.post(&attach(&instrument.token), &[("customer", &customer)]).await;
                instrument
            }
            other => panic!("{other:?}"),
        }
    }

    /// A charge of a saved card; without a description, which this server does not know.
    fn wish(&self, instrument: &Instrument) -> Wish {
        let mut wish = Wish::by("stripe_card", "stripe").charging(instrument);
        wish.terms.description.clear();
        wish
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saved_card_is_charged_refunded_reserved_and_given_up_at_localstripe() {
    let local = Local::start().await;
    let card = local.saved("pm_card_visa").await;
    assert_eq!((card.brand.as_str(), card.last4.as_str(), card.expiry_year), ("visa", "4242", 2030));
    let paid = local.wish(&card).order(&local.provider).await.unwrap();
    assert_eq!((paid.state, paid.amount), (ProviderState::Captured, eur(2000)));
    let refund = crate::conformance::rig::refund_of(&local.provider, &paid.reference, 700).await.unwrap();
    assert_eq!((refund.refunds[0].amount, &refund.refunds[0].outcome), (eur(700), &RefundOutcome::Completed));
    let mut wish = local.wish(&card);
    wish.terms.capture = CaptureMode::Manual;
    let reserved = wish.order(&local.provider).await.unwrap();
    assert_eq!(reserved.state, ProviderState::Authorized);
    assert_eq!(local.provider.void(&reserved.reference).await.unwrap().state, ProviderState::Voided);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_is_declined_at_localstripe_has_failed_softly() {
    let local = Local::start().await;
    let card = local.saved("pm_card_chargeCustomerFail").await;
    let declined = local.wish(&card).order(&local.provider).await;
    let decline = match declined {
        Ok(payment) => match payment.state {
            ProviderState::Failed { decline, .. } => decline,
            other => panic!("{other:?}"),
        },
        Err(error) => error.decline(),
    };
    assert_eq!(decline.unwrap().class(), DeclineClass::Soft);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_of_localstripe_are_believed_and_lead_to_the_payment() {
    let local = Local::start().await;
    let card = local.saved("pm_card_visa").await;
    let paid = local.wish(&card).order(&local.provider).await.unwrap();
    let about = |body: &[u8]| String::from_utf8_lossy(body).contains("payment_intent.succeeded");
    let came = local.sink.wait_for(|one| about(&one.body)).await;
    let raw = RawWebhook { headers: came.headers, body: came.body };
    let event = local.provider.parse_and_verify_webhook(&raw, SystemClock.wall()).unwrap();
    match event.news {
        News::Payment { snapshot, .. } => assert_eq!(snapshot.reference, paid.reference),
        News::PaymentChanged { reference, .. } => assert_eq!(reference, paid.reference),
        other => panic!("{other:?}"),
    }
}

/// The official signer over bodies that are awkward to sign.
#[test]
fn what_the_official_sdk_signs_is_genuine_and_nothing_else() {
    const PROGRAM: &str = "import sys, stripe\n\
        body, secret, at = sys.argv[1], sys.argv[2], int(sys.argv[3])\n\
        mac = stripe.WebhookSignature._compute_signature('%d.%s' % (at, body), secret)\n\
        print('t=%d,v1=%s' % (at, mac), end='')";
    let provider = Stripe::new(settings("http://127.0.0.1:9".to_owned())).unwrap();
    let now = SystemClock.wall();
    for name in ["plain", "Zażółć gęślą jaźń", "quo\\\"tes and \\n breaks"] {
        let body =
            format!(r#"{{"id":"evt_1","type":"x.y","created":1,"data":{{"object":{{"n":"{name}"}}}}}}"#);
        let secret = payments_gateway_doubles::stripe::WEBHOOK_SECRET;
        let mut python = Command::new(environment().join("bin/python"));
        let signed =
            python.args(["-c", PROGRAM, &body, secret, &now.as_second().to_string()]).output().unwrap();
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        let header = String::from_utf8(signed.stdout).unwrap();
        let headers = [("stripe-signature".to_owned(), header)].into();
        let mut raw = RawWebhook { headers, body: body.into_bytes() };
        assert_eq!(provider.parse_and_verify_webhook(&raw, now).unwrap().event_id, "evt_1");
        raw.body.push(b'\n');
        let refused = provider.parse_and_verify_webhook(&raw, now).unwrap_err();
        assert_eq!(refused, WebhookRefusal::SignatureInvalid);
    }
}
