//! Tenants' own accounts: set at run time, sealed, used with Stripe's double from order to webhook.

use auth::{Caller, Permissions};
use contracts::vbwd::money::v1::Money;
use contracts::vbwd::payments::v1::customer_payment_service_client::CustomerPaymentServiceClient;
use contracts::vbwd::payments::v1::payment_settings_service_client::PaymentSettingsServiceClient;
use contracts::vbwd::payments::v1::*;
use fault::{Code, Fault};
use ids::TenantId;
use payments_gateway_doubles::gate::{Gate, Trouble};
use payments_gateway_doubles::sink::Sink;
use payments_gateway_doubles::stripe as double;

use crate::fixtures::{World, quick, request, webhooks_only};

struct Shop {
    world: World,
    stripe: double::Stripe,
    gate: Gate,
    sink: Sink,
}

impl Shop {
    async fn start(mut config: payments_gateway::Config) -> Self {
        let (sink, hooks) = Sink::start().await;
        let (stripe, address) = double::Stripe::start(&hooks).await;
        let (gate, address) = Gate::before(&address).await;
        config.providers.stripe.base_url = address;
        Self { world: World::start(config).await, stripe, gate, sink }
    }

    fn admin(&self) -> Caller {
        let permissions = Permissions::new(["payments.configure"]).unwrap();
        Caller { permissions, ..self.world.customer() }
    }

    fn settings(&self) -> PaymentSettingsServiceClient<runtime::Channel> {
        PaymentSettingsServiceClient::new(self.world.channel())
    }

    async fn put(&self, message: PutProviderRequest) -> Result<ProviderAccount, Fault> {
        let answer = self.settings().put_provider(self.world.request(&self.admin(), message)).await?;
        Ok(answer.into_inner().provider.unwrap())
    }

    async fn account(&self) -> ProviderAccount {
        let request = self.world.request(&self.admin(), ListProvidersRequest {});
        let answer = self.settings().list_providers(request).await.unwrap().into_inner();
        answer.providers.into_iter().find(|provider| provider.provider == "stripe").unwrap()
    }

    async fn rule(&self, method: &str, rule: MethodRule) -> Result<MethodRule, Fault> {
        let message = PutMethodRuleRequest { method: method.to_owned(), rule: Some(rule) };
        let answer = self.settings().put_method_rule(self.world.request(&self.admin(), message)).await?;
        Ok(answer.into_inner().rule.unwrap())
    }

    async fn offered(&self, message: ListPaymentMethodsRequest) -> Vec<PaymentMethod> {
        let nobody = Caller::anonymous(self.world.tenant);
        let answer = self.world.payments().list_payment_methods(request(&nobody, message)).await;
        let methods = answer.unwrap().into_inner().methods.into_iter();
        methods.filter(|method| method.provider == "stripe").collect()
    }

    /// The last webhook of this kind, as the gateway passes it on at a tenant.
    async fn webhook(&self, tenant: TenantId, kind: &str) -> Result<String, Fault> {
        let text = format!("\"type\":\"{kind}\"");
        let fits = |body: &[u8]| String::from_utf8_lossy(body).contains(&text);
        let came = self.sink.wait_for(|one| fits(&one.body)).await;
        let headers = came.headers.into_iter().collect();
        let message = ReceiveWebhookRequest { provider: "stripe".to_owned(), body: came.body, headers };
        let channel = self.world.channel();
        let mut hooks = webhook_service_client::WebhookServiceClient::new(channel);
        Ok(hooks.receive_webhook(request(&Caller::anonymous(tenant), message)).await?.into_inner().outcome)
    }
}

fn account() -> PutProviderRequest {
    let map = |rows: &[(&str, &str)]| {
        rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    PutProviderRequest {
        provider: "stripe".to_owned(),
        enabled: true,
        live: false,
        settings: map(&[("publishable_key", double::PUBLISHABLE_KEY)]),
        secrets: map(&[("secret_key", double::SECRET_KEY), ("webhook_secret", double::WEBHOOK_SECRET)]),
        countries: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_sets_its_account_and_takes_money_with_it() {
    let shop = Shop::start(webhooks_only()).await;
    assert!(shop.offered(ListPaymentMethodsRequest::default()).await.is_empty());
    let set = shop.put(account()).await.unwrap();
    assert_eq!((set.enabled, set.circuit.as_str()), (true, "closed"));
    assert_eq!(shop.offered(ListPaymentMethodsRequest::default()).await.len(), 3);
    let payment = shop.world.pay("stripe_card").await;
    assert_eq!(payment.status(), PaymentStatus::RequiresAction);
    let mut customers = CustomerPaymentServiceClient::new(shop.world.channel());
    let message = GetPaymentActionRequest { payment_id: payment.payment_id.clone() };
    let request = shop.world.request(&shop.world.customer(), message);
    let action = customers.get_payment_action(request).await.unwrap().into_inner().action.unwrap();
    assert_eq!((action.kind.as_str(), action.publishable_key.as_str()), ("confirm", double::PUBLISHABLE_KEY));
    let reference = shop.stripe.intents()[0]["id"].as_str().unwrap().to_owned();
    assert!(action.client_secret.starts_with(&reference));
    shop.stripe.customer_confirms(&reference, "pm_card_visa");
    let tenant = shop.world.tenant;
    assert_eq!(shop.webhook(tenant, "payment_intent.succeeded").await.unwrap(), "accepted");
    assert_eq!(shop.webhook(tenant, "payment_intent.succeeded").await.unwrap(), "duplicate");
    let captured = shop.world.get(&payment.payment_id).await;
    assert_eq!((captured.status(), captured.captured), (PaymentStatus::Captured, payment.amount));
    assert!(shop.account().await.webhook_received_at.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_knows_its_own_secret_speaks_about_its_own_payments_only() {
    let shop = Shop::start(webhooks_only()).await;
    shop.put(account()).await.unwrap();
    let payment = shop.world.pay("stripe_card").await;
    let reference = shop.stripe.intents()[0]["id"].as_str().unwrap().to_owned();
    shop.stripe.customer_confirms(&reference, "pm_card_visa");
    // Another tenant has an account with the same secret, as one would who has stolen it.
    let other = TenantId::new();
    let thief = Caller { tenant: other, ..shop.admin() };
    shop.settings().put_provider(request(&thief, account())).await.unwrap();
    let refused = shop.webhook(other, "payment_intent.succeeded").await.unwrap_err();
    assert_eq!((refused.code(), refused.reason()), (Code::NotFound, "webhook_payment_unknown"));
    assert_eq!(shop.world.get(&payment.payment_id).await.status(), PaymentStatus::RequiresAction);
    let nobody = shop.webhook(TenantId::new(), "payment_intent.succeeded").await.unwrap_err();
    assert_eq!(nobody.reason(), "webhook_provider_unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_go_in_sealed_and_never_come_out() {
    let shop = Shop::start(webhooks_only()).await;
    let set = shop.put(account()).await.unwrap();
    assert_eq!(set.set_secrets, ["secret_key", "webhook_secret"]);
    assert!(!format!("{set:?}").contains(double::SECRET_KEY));
    let row: String = sqlx::query_scalar("SELECT provider_settings::text FROM provider_settings")
        .fetch_one(&shop.world.superuser())
        .await
        .unwrap();
    for secret in [double::SECRET_KEY, double::WEBHOOK_SECRET, &hex(double::SECRET_KEY)] {
        assert!(!row.contains(secret), "{row}");
    }
    let again = PutProviderRequest { secrets: Default::default(), ..account() };
    assert_eq!(shop.put(again).await.unwrap().set_secrets.len(), 2, "left out means unchanged");
    assert_eq!(shop.world.pay("stripe_card").await.status(), PaymentStatus::RequiresAction);
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_configure_and_what_does_not_fit_is_refused() {
    let shop = Shop::start(webhooks_only()).await;
    let customer = shop.world.request(&shop.world.customer(), account());
    let refused = Fault::from(shop.settings().put_provider(customer).await.unwrap_err());
    assert_eq!(refused.code(), Code::Forbidden);
    let mut live_with_test_keys = account();
    live_with_test_keys.live = true;
    let refused = shop.put(live_with_test_keys).await.unwrap_err();
    assert_eq!(refused.violations()[0].pointer, "/settings/publishable_key");
    let unknown = shop.put(PutProviderRequest { provider: "nobody".to_owned(), ..account() }).await;
    assert_eq!(unknown.unwrap_err().reason(), "payment_provider_not_found");
    let mut strange = account();
    strange.settings.insert("base_url".to_owned(), "http://169.254.169.254".to_owned());
    let refused = shop.put(strange).await.unwrap_err();
    assert_eq!(refused.violations()[0].pointer, "/settings/base_url", "no tenant says where the API is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_choose_where_for_how_much_and_in_whose_words_a_method_is_offered() {
    let shop = Shop::start(webhooks_only()).await;
    shop.put(PutProviderRequest { countries: vec!["DE".to_owned(), "AT".to_owned()], ..account() })
        .await
        .unwrap();
    let euro = |currency: &str| currency.to_owned();
    let rule = MethodRule {
        limits: vec![AmountLimit { currency: euro("EUR"), minimum_minor: 100, maximum_minor: 5000 }],
        fees: vec![MethodFee { currency: euro("EUR"), fixed_minor: 30, basis_points: 290 }],
        fee_payer: "customer".to_owned(),
        words: vec![MethodWords {
            locale: "de".to_owned(),
            name: "Karte".to_owned(),
            description: "Visa".to_owned(),
        }],
        position: -1,
        ..MethodRule::default()
    };
    shop.rule("stripe_card", rule.clone()).await.unwrap();
    let wish = |amount_minor, country: &str| ListPaymentMethodsRequest {
        currency: euro("EUR"),
        country: country.to_owned(),
        amount_minor,
        locale: "de-AT".to_owned(),
    };
    let offered = shop.offered(wish(1999, "AT")).await;
    assert_eq!((offered[0].name.as_str(), offered[0].fee_payer.as_str()), ("Karte", "customer"));
    assert_eq!(offered[0].fee, Some(Money { minor: 88, currency: euro("EUR") }));
    assert!(shop.offered(wish(5001, "AT")).await.iter().all(|method| method.code != "stripe_card"));
    assert!(shop.offered(wish(1999, "FR")).await.is_empty(), "the account is not used there");
    let mut order = shop.world.order("stripe_card");
    order.amount = Some(Money { minor: 5001, currency: euro("EUR") });
    assert_eq!(shop.world.create(order).await.unwrap_err().violations()[0].code, "amount_outside_limits");
    let fees = vec![MethodFee { currency: euro("XXX"), fixed_minor: 1, basis_points: 0 }];
    let refused = shop.rule("stripe_card", MethodRule { fees, ..rule.clone() }).await.unwrap_err();
    assert_eq!(refused.violations()[0].pointer, "/rule/fees/0");
    shop.rule("stripe_card", MethodRule { disabled: true, ..rule }).await.unwrap();
    let refused = shop.world.create(shop.world.order("stripe_card")).await.unwrap_err();
    assert_eq!(refused.reason(), "payment_method_unknown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_switched_off_offers_nothing_and_finishes_what_began() {
    let shop = Shop::start(quick()).await;
    shop.put(account()).await.unwrap();
    let payment = shop.world.pay("stripe_card").await;
    shop.put(PutProviderRequest { enabled: false, ..account() }).await.unwrap();
    assert!(shop.offered(ListPaymentMethodsRequest::default()).await.is_empty());
    let reference = shop.stripe.intents()[0]["id"].as_str().unwrap().to_owned();
    shop.stripe.customer_confirms(&reference, "pm_card_visa");
    shop.world.wait_for(&payment.payment_id, PaymentStatus::Captured).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_in_trouble_is_left_alone_and_its_payments_wait() {
    let shop = Shop::start(webhooks_only()).await;
    shop.put(account()).await.unwrap();
    shop.gate.then([Trouble::Lost; 5]);
    for _ in 0..5 {
        assert_eq!(shop.world.pay("stripe_card").await.status(), PaymentStatus::Created);
    }
    assert_eq!(shop.account().await.circuit, "open");
    let asked = shop.gate.asked().len();
    assert_eq!(shop.world.pay("stripe_card").await.status(), PaymentStatus::Created);
    assert_eq!(shop.gate.asked().len(), asked, "nothing was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_change_one_account_at_a_time_lose_no_secret() {
    let shop = Shop::start(webhooks_only()).await;
    shop.put(account()).await.unwrap();
    let with = |name: &str, value: &str| PutProviderRequest {
        secrets: [(name.to_owned(), value.to_owned())].into(),
        ..account()
    };
    let calls = (0..10).flat_map(|_| {
        [
            shop.put(with("previous_webhook_secret", "whsec_old")),
            shop.put(with("webhook_secret", "whsec_new")),
        ]
    });
    for outcome in futures::future::join_all(calls).await {
        outcome.unwrap();
    }
    assert_eq!(shop.account().await.set_secrets.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_charged_another_amount_is_not_believed() {
    let shop = Shop::start(webhooks_only()).await;
    shop.put(account()).await.unwrap();
    let payment = shop.world.pay("stripe_card").await;
    let reference = shop.stripe.intents()[0]["id"].as_str().unwrap().to_owned();
    shop.stripe.lie_about_the_amount(&reference, 1);
    shop.stripe.customer_confirms(&reference, "pm_card_visa");
    let refused = shop.webhook(shop.world.tenant, "payment_intent.succeeded").await.unwrap_err();
    assert_eq!(refused.reason(), "webhook_amount_mismatch");
    let contradicted = shop.world.get(&payment.payment_id).await;
    assert_eq!(contradicted.status(), PaymentStatus::Contradicted);
    assert_eq!(shop.account().await.webhook_failure, "webhook_amount_mismatch");
}
