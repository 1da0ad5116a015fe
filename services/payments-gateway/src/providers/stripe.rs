//! Stripe: PaymentIntents, SetupIntents, customers, saved methods, refunds, disputes.
//!
//! A payment is a PaymentIntent. Without a saved method it is made unconfirmed, and the customer's
//! browser confirms it with Stripe's own form (client secret): card data never come here. With one it
//! is confirmed at once, off session where the customer is away. The metadata carry our ids, so that
//! webhooks find the payment even when they overtake our record. The address of the API is the
//! operator's; a tenant brings keys only, so no tenant can make us speak to another host.
//!
//! Idempotency keys live for a day at Stripe. A refund is therefore looked for before it is asked for
//! again; a payment that old is not asked for again at all (the reconciler lets it expire).

mod client;
mod declines;
mod form;
mod settings;
mod signature;
mod wire;

use ids::UserId;
use jiff::Timestamp;
use money::Money;
use payments_gateway_domain::{CaptureMode, Instrument, ProviderSnapshot, RefundOutcome};

use self::client::Client;
use self::form::Form;
pub use self::settings::{Mode, Settings};
use crate::account::{Account, Field, Kind};
use crate::config::StripeSettings;
use crate::provider::{
    Answer, Capabilities, CaptureOrder, Method, NextAction, Order, PaymentProvider, ProviderError,
    ProviderEvent, RawWebhook, RefundOrder, SetupOrder, SetupSnapshot, WebhookRefusal,
};

/// Its code.
pub const CODE: &str = "stripe";
/// The version of the API that this adapter was written against; sent with every request.
pub const API_VERSION: &str = "2024-06-20";

const PAYMENT_ID: &str = "metadata[vbwd_payment_id]";
const SETUP_ID: &str = "metadata[vbwd_setup_id]";
const REFUND_ID: &str = "metadata[vbwd_refund_id]";

/// What a tenant's account here needs.
pub(crate) const KIND: Kind = Kind {
    code: CODE,
    name: "Stripe",
    fields: &[
        Field {
            name: "publishable_key",
            title: "Publishable key",
            secret: false,
            required: true,
            test_prefixes: &["pk_test_"],
            live_prefixes: &["pk_live_"],
        },
        Field {
            name: "secret_key",
            title: "Secret or restricted key",
            secret: true,
            required: true,
            test_prefixes: &["sk_test_", "rk_test_"],
            live_prefixes: &["sk_live_", "rk_live_"],
        },
        Field {
            name: "webhook_secret",
            title: "Signing secret of the webhook endpoint",
            secret: true,
            required: true,
            test_prefixes: &["whsec_"],
            live_prefixes: &["whsec_"],
        },
        Field {
            name: "previous_webhook_secret",
            title: "Signing secret before the last rotation",
            secret: true,
            required: false,
            test_prefixes: &["whsec_"],
            live_prefixes: &["whsec_"],
        },
    ],
};

/// Countries whose accounts can be debited by SEPA.
const SEPA: &[&str] = &[
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT",
    "LI", "LT", "LU", "LV", "MC", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK", "SM",
];

/// The adapter, with the keys of one account.
pub struct Stripe {
    client: Client,
    settings: Settings,
    capabilities: Capabilities,
}

impl Stripe {
    /// The adapter for an account.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(settings: Settings) -> fault::Result<Self> {
        Ok(Self { client: Client::new(&settings)?, settings, capabilities: capabilities() })
    }

    /// The adapter for a tenant's account.
    pub(crate) fn open(api: &StripeSettings, account: &Account) -> fault::Result<Self> {
        let secret = |name: &str| account.secrets.get(name).filter(|text| !text.is_empty()).cloned();
        let webhook_secrets = ["webhook_secret", "previous_webhook_secret"].into_iter().filter_map(secret);
        Self::new(Settings {
            base_url: api.base_url.clone(),
            timeout: std::time::Duration::from_millis(api.timeout_milliseconds.into()),
            mode: if account.live { Mode::Live } else { Mode::Test },
            secret_key: secret("secret_key").unwrap_or_default().into(),
            publishable_key: account.settings.get("publishable_key").cloned().unwrap_or_default(),
            webhook_secrets: webhook_secrets.map(Into::into).collect(),
        })
    }

    async fn read(&self, reference: &str) -> Result<wire::PaymentIntent, ProviderError> {
        let expand = [("expand[]", "latest_charge"), ("expand[]", "payment_method")];
        self.client.get(&format!("payment_intents/{reference}"), &expand).await
    }

    /// The whole payment: intent, refunds, disputes.
    async fn whole(&self, reference: &str) -> Result<ProviderSnapshot, ProviderError> {
        let intent = self.read(reference).await?;
        let query = [("payment_intent", reference), ("limit", "100")];
        let (mut refunds, mut disputes) = (wire::List::default(), wire::List::default());
        if intent.took_money() {
            refunds = self.client.get("refunds", &query).await?;
        }
        if intent.is_disputed() {
            disputes = self.client.get("disputes", &query).await?;
        }
        intent.snapshot(&refunds.data, &disputes.data).map_err(client::unreadable)
    }

    async fn make(&self, order: Order<'_>) -> Result<ProviderSnapshot, ProviderError> {
        let (key, terms) = (order.payment_id.to_string(), order.terms);
        let mut form = Form::default();
        form.set("amount", wire::there(terms.amount)?);
        form.set("currency", terms.amount.currency().code().to_ascii_lowercase());
        form.set("payment_method_types[]", wire::kind_of(&terms.method));
        form.set(PAYMENT_ID, &key);
        form.set_text("description", &terms.description);
        form.set_text("customer", order.customer);
        if terms.capture == CaptureMode::Manual {
            form.set("capture_method", "manual");
        }
        if terms.save_method {
            form.set("setup_future_usage", "off_session");
        }
        if let Some(instrument) = order.instrument {
            form.set("payment_method", &instrument.token);
            form.set("confirm", "true");
            if terms.off_session {
                form.set("off_session", "true");
                form.set("metadata[vbwd_off_session]", "true");
            } else {
                form.set_text("return_url", &terms.return_url);
            }
        }
        form.set("expand[]", "payment_method");
        let intent: wire::PaymentIntent = self.client.post("payment_intents", &key, form).await?;
        intent.snapshot(&[], &[]).map_err(client::unreadable)
    }

    async fn give_back(&self, order: RefundOrder<'_>) -> Result<ProviderSnapshot, ProviderError> {
        let before = self.whole(order.reference).await?;
        if before.refunds.iter().any(|refund| refund.refund_id == order.refund_id) {
            return Ok(before);
        }
        let key = order.refund_id.to_string();
        let mut form = Form::default();
        form.set("payment_intent", order.reference);
        form.set("amount", wire::there(order.amount)?);
        form.set(REFUND_ID, &key);
        let refund: wire::Refund = self.client.post("refunds", &key, form).await?;
        let currency = order.amount.currency();
        let refund = refund.read(currency).map_err(client::unreadable)?;
        if let RefundOutcome::Failed { failure_code } = refund.outcome {
            return Err(ProviderError::Declined { code: failure_code, decline: None });
        }
        self.whole(order.reference).await
    }

    async fn take(&self, order: CaptureOrder<'_>) -> Result<ProviderSnapshot, ProviderError> {
        let invalid = |_| ProviderError::Invalid { code: "amount_invalid".to_owned() };
        let (part, _): (Money, bool) = order.part().map_err(invalid)?;
        let mut form = Form::default();
        form.set("amount_to_capture", wire::there(part)?);
        let path = format!("payment_intents/{}/capture", order.reference);
        let intent: wire::PaymentIntent = self.client.post(&path, &order.key(), form).await?;
        intent.snapshot(&[], &[]).map_err(client::unreadable)
    }

    fn action(&self, redirect_url: Option<String>, client_secret: Option<String>) -> NextAction {
        if redirect_url.is_some() {
            return NextAction { redirect_url, ..NextAction::default() };
        }
        let publishable_key = client_secret.as_ref().map(|_| self.settings.publishable_key.clone());
        NextAction { redirect_url: None, client_secret, publishable_key }
    }
}

fn capabilities() -> Capabilities {
    let method =
        |code, name, currencies, countries| Method { code, name, currencies, countries, saves: true };
    Capabilities {
        methods: vec![
            method("stripe_card", "Card", &[], &[]),
            method("stripe_sepa_debit", "SEPA direct debit", &["EUR"], SEPA),
            method("stripe_us_bank_account", "US bank account (ACH)", &["USD"], &["US"]),
        ],
        voids: true,
        manual_capture: true,
        partial_captures: true,
        several_captures: false,
        partial_refunds: true,
        signs_webhooks: true,
    }
}

impl PaymentProvider for Stripe {
    fn code(&self) -> &'static str {
        CODE
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn create<'a>(&'a self, order: Order<'a>) -> Answer<'a> {
        Box::pin(self.make(order))
    }

    fn capture<'a>(&'a self, order: CaptureOrder<'a>) -> Answer<'a> {
        Box::pin(self.take(order))
    }

    fn void<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        Box::pin(async move {
            let (path, key) = (format!("payment_intents/{reference}/cancel"), format!("{reference}-cancel"));
            let cancelled = self.client.post::<wire::PaymentIntent>(&path, &key, Form::default()).await;
            if let Err(ProviderError::Invalid { .. }) = cancelled {
                let now = self.whole(reference).await?; // cancelled before: that is what was asked for
                if now.state == payments_gateway_domain::ProviderState::Voided {
                    return Ok(now);
                }
            }
            cancelled?.snapshot(&[], &[]).map_err(client::unreadable)
        })
    }

    fn refund<'a>(&'a self, order: RefundOrder<'a>) -> Answer<'a> {
        Box::pin(self.give_back(order))
    }

    fn fetch<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        Box::pin(self.whole(reference))
    }

    fn next_action<'a>(&'a self, reference: &'a str) -> Answer<'a, NextAction> {
        Box::pin(async move {
            let intent = self.read(reference).await?;
            let secret = intent.client_secret.clone().filter(|_| intent.wants_the_customer());
            Ok(self.action(intent.redirect_url(), secret))
        })
    }

    fn customer<'a>(&'a self, user_id: UserId) -> Answer<'a, String> {
        Box::pin(async move {
            let mut form = Form::default();
            form.set("metadata[vbwd_user_id]", user_id);
            let key = format!("customer-{user_id}");
            let customer: wire::Named = self.client.post("customers", &key, form).await?;
            Ok(customer.id)
        })
    }

    fn set_up<'a>(&'a self, order: SetupOrder<'a>) -> Answer<'a, SetupSnapshot> {
        Box::pin(async move {
            let key = order.setup_id.to_string();
            let mut form = Form::default();
            form.set("payment_method_types[]", wire::kind_of(order.method));
            form.set_text("customer", order.customer);
            form.set("usage", "off_session");
            form.set(SETUP_ID, &key);
            let intent: wire::SetupIntent = self.client.post("setup_intents", &key, form).await?;
            intent.snapshot().map_err(client::unreadable)
        })
    }

    fn fetch_setup<'a>(&'a self, reference: &'a str) -> Answer<'a, (SetupSnapshot, NextAction)> {
        Box::pin(async move {
            let path = format!("setup_intents/{reference}");
            let intent: wire::SetupIntent = self.client.get(&path, &[("expand[]", "payment_method")]).await?;
            let secret = intent.client_secret.clone().filter(|_| intent.wants_the_customer());
            let action = self.action(intent.redirect_url(), secret);
            Ok((intent.snapshot().map_err(client::unreadable)?, action))
        })
    }

    fn forget<'a>(&'a self, instrument: &'a Instrument) -> Answer<'a, ()> {
        Box::pin(async move {
            let path = format!("payment_methods/{}/detach", instrument.token);
            let key = format!("{}-detach", instrument.token);
            match self.client.post::<wire::Named>(&path, &key, Form::default()).await {
                Ok(_) | Err(ProviderError::Invalid { .. }) => Ok(()), // detached before, or unknown
                Err(error) => Err(error),
            }
        })
    }

    fn parse_and_verify_webhook(
        &self,
        webhook: &RawWebhook,
        now: Timestamp,
    ) -> Result<ProviderEvent, WebhookRefusal> {
        signature::verify(&self.settings.webhook_secrets, webhook, now)?;
        let event: wire::Event =
            serde_json::from_slice(&webhook.body).map_err(|_| WebhookRefusal::Malformed("not an event"))?;
        let occurred_at = Timestamp::from_second(event.created).unwrap_or(now);
        let live = self.settings.mode == Mode::Live;
        let (event_id, kind) = (event.id.clone(), event.kind.clone());
        let news = event.news(live).map_err(WebhookRefusal::Malformed)?;
        Ok(ProviderEvent { event_id, kind, news, occurred_at })
    }
}
