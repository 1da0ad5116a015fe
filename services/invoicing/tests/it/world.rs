//! A running service with everything around it, and the words in which the tests speak.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use auth::{Caller, Permissions, Subject};
use bus::{Bus, CloudEvent, Outbound, canonical_json};
use contracts::vbwd::invoicing::v1::checkout_service_client::CheckoutServiceClient;
use contracts::vbwd::invoicing::v1::invoice_service_client::InvoiceServiceClient;
use contracts::vbwd::invoicing::v1::line_item_source_service_server::LineItemSourceServiceServer;
use contracts::vbwd::invoicing::v1::*;
use contracts::vbwd::money::v1::Money;
use contracts::vbwd::payments::v1::payment_service_server::PaymentServiceServer;
use contracts::vbwd::payments::v1::{PaymentCaptured, PaymentFailed, PaymentRefunded, PaymentStatus};
use fault::Fault;
use ids::{EventId, OperationId, TenantId, UserId};
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, FixedClock, SystemClock};
use runtime::{Channel, Directory, Drain, Environment, Platform, Service};
use secrecy::SecretString;
use sqlx::PgPool;
use testkit::{Nats, TestDatabase};
use tonic::service::Routes;
use uuid::Uuid;

use crate::fakes::{FakePayments, FakeSeller};

const SECRET: &str = "a-fleet-secret-for-tests-that-is-long-enough-0123456789";

/// Tenants live in a time of their own; the machine does not.
pub struct TestClock(FixedClock);

impl TestClock {
    pub fn advance(&self, by: SignedDuration) {
        self.0.advance(by);
    }

    pub fn set(&self, at: &str) {
        self.0.set(at.parse().unwrap());
    }
}

impl Clock for TestClock {
    fn now(&self, tenant: TenantId) -> Timestamp {
        self.0.now(tenant)
    }

    fn wall(&self) -> Timestamp {
        SystemClock.wall()
    }
}

pub struct World {
    pub platform: Platform,
    pub clock: Arc<TestClock>,
    pub seller: FakeSeller,
    pub payments: FakePayments,
    pub tenant: TenantId,
    pub customer: Caller,
    /// Sees every row, for assertions.
    pub superuser: PgPool,
    pub database: Arc<TestDatabase>,
    nats: Arc<Nats>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.platform.tasks.drain().cancel();
    }
}

/// A running service; `small`, `large` and `free` are on sale.
pub async fn world() -> World {
    world_with(invoicing::Config::default()).await
}

pub async fn world_with(config: invoicing::Config) -> World {
    let database = Arc::new(testkit::database("invoicing", invoicing::migrations()).await);
    let nats = Arc::new(testkit::nats());
    let clock = Arc::new(TestClock(FixedClock::new("2026-11-23T12:00:00Z".parse().unwrap())));
    let (seller, payments) = (FakeSeller::default(), FakePayments::default());
    let prices = [("small", 500), ("large", 1_999), ("free", 0)];
    seller.shelf().prices = prices.map(|(item, price)| (item.to_owned(), price)).into();
    let tenant = TenantId::new();
    let platform = platform(&database, &nats, &clock, &seller, &payments, config).await;
    let superuser = database.superuser("invoicing");
    World { platform, clock, seller, payments, tenant, customer: user(tenant), superuser, database, nats }
}

async fn platform(
    database: &TestDatabase,
    nats: &Nats,
    clock: &Arc<TestClock>,
    seller: &FakeSeller,
    payments: &FakePayments,
    config: invoicing::Config,
) -> Platform {
    let directory = Directory::new(["invoicing", "wallet", "payments"], []).unwrap();
    let bus = Bus::connect(&nats.url(), "").await.unwrap();
    bus.ensure_stream().await.unwrap();
    let platform = Platform::new(
        Environment::Test,
        Arc::clone(clock) as Arc<dyn Clock>,
        SecretString::from(SECRET.to_owned()),
        database.config().clone(),
        bus,
        directory,
        Drain::new(),
    );
    let platform = platform.unwrap();
    let wallet = Routes::new(LineItemSourceServiceServer::new(seller.clone()));
    platform.install(Service { name: "wallet", routes: wallet, roles: Vec::new() });
    let till = Routes::new(PaymentServiceServer::new(payments.clone()));
    platform.install(Service { name: "payments", routes: till, roles: Vec::new() });
    let service = invoicing::service(&platform, config).await.unwrap();
    platform.install(service);
    platform
}

pub fn user(tenant: TenantId) -> Caller {
    Caller { subject: Subject::User(UserId::new()), ..Caller::anonymous(tenant) }
}

pub fn holder(tenant: TenantId, permission: &str) -> Caller {
    Caller { permissions: Permissions::new([permission]).unwrap(), ..user(tenant) }
}

pub fn line(item: &str, quantity: i64) -> CheckoutLine {
    CheckoutLine { kind: "token_bundle".to_owned(), item_id: item.to_owned(), quantity }
}

pub fn order(lines: impl IntoIterator<Item = CheckoutLine>) -> CreateCheckoutRequest {
    CreateCheckoutRequest {
        lines: lines.into_iter().collect(),
        currency: "EUR".to_owned(),
        billing_country: "DE".to_owned(),
        payment_method: "sandbox_card".to_owned(),
        return_url: "https://shop.example/back".to_owned(),
    }
}

pub fn pay(invoice: &Invoice) -> PayInvoiceRequest {
    PayInvoiceRequest {
        invoice_id: invoice.invoice_id.clone(),
        payment_method: "sandbox_card".to_owned(),
        return_url: "https://shop.example/back".to_owned(),
    }
}

/// Waits until it is so, at most ten seconds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    for _ in 0..400 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it never came: {what}");
}

impl World {
    /// The same service once more, as another process would run it.
    pub async fn replica(&self) -> Platform {
        let config = invoicing::Config::default();
        platform(&self.database, &self.nats, &self.clock, &self.seller, &self.payments, config).await
    }

    pub fn request<M>(&self, caller: &Caller, operation: OperationId, message: M) -> tonic::Request<M> {
        request_through(&self.platform, caller, operation, message)
    }

    pub fn checkouts(&self) -> CheckoutServiceClient<Channel> {
        CheckoutServiceClient::new(self.platform.peer("gateway", "invoicing").unwrap().channel())
    }

    pub fn invoices(&self) -> InvoiceServiceClient<Channel> {
        InvoiceServiceClient::new(self.platform.peer("gateway", "invoicing").unwrap().channel())
    }

    pub async fn check_out(&self, order: CreateCheckoutRequest) -> fault::Result<CreateCheckoutResponse> {
        self.check_out_as(OperationId::new(), order).await
    }

    pub async fn check_out_as(
        &self,
        operation: OperationId,
        order: CreateCheckoutRequest,
    ) -> fault::Result<CreateCheckoutResponse> {
        let request = self.request(&self.customer, operation, order);
        Ok(self.checkouts().create_checkout(request).await.map_err(Fault::from)?.into_inner())
    }

    /// An open invoice over one `large`, its payment under way.
    pub async fn open_invoice(&self) -> Invoice {
        self.check_out(order([line("large", 1)])).await.unwrap().invoice.unwrap()
    }

    pub async fn pay(&self, operation: OperationId, pay: PayInvoiceRequest) -> fault::Result<PaymentStep> {
        let request = self.request(&self.customer, operation, pay);
        let answer = self.invoices().pay_invoice(request).await.map_err(Fault::from)?;
        Ok(answer.into_inner().payment.unwrap())
    }

    pub async fn invoice(&self, id: &str) -> Invoice {
        let request = GetInvoiceRequest { invoice_id: id.to_owned() };
        let request = self.request(&self.customer, OperationId::new(), request);
        self.invoices().get_invoice(request).await.unwrap().into_inner().invoice.unwrap()
    }

    pub async fn count(&self, table: &'static str) -> i64 {
        let statement = format!("SELECT count(*) FROM {table}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(&self.superuser).await.unwrap()
    }

    /// Names of the events of an invoice, in order.
    pub async fn history(&self, invoice: &Invoice) -> Vec<String> {
        sqlx::query_scalar("SELECT name FROM events WHERE stream_id = $1 ORDER BY revision")
            .bind(invoice.invoice_id.parse::<Uuid>().unwrap())
            .fetch_all(&self.superuser)
            .await
            .unwrap()
    }

    pub async fn happened(&self, invoice: &Invoice, event: &str) -> bool {
        self.history(invoice).await.iter().any(|name| name == event)
    }

    pub async fn wait_for(&self, invoice: &Invoice, event: &str) {
        eventually(event, || self.happened(invoice, event)).await;
    }

    pub async fn captured(&self, invoice: &Invoice, minor: i64) -> EventId {
        self.captured_by(invoice, &invoice.payment_id, minor).await
    }

    pub async fn captured_by(&self, invoice: &Invoice, payment: &str, minor: i64) -> EventId {
        let message = PaymentCaptured {
            payment_id: payment.to_owned(),
            invoice_id: invoice.invoice_id.clone(),
            amount: Some(euros(minor)),
            ..PaymentCaptured::default()
        };
        self.tell(EventId::new(), ("captured", "vbwd.payments.v1.PaymentCaptured"), payment, &message).await
    }

    pub async fn failed(&self, invoice: &Invoice, payment: &str) -> EventId {
        let message = PaymentFailed {
            payment_id: payment.to_owned(),
            invoice_id: invoice.invoice_id.clone(),
            failure_code: "card_declined".to_owned(),
            ..PaymentFailed::default()
        };
        self.tell(EventId::new(), ("failed", "vbwd.payments.v1.PaymentFailed"), payment, &message).await
    }

    pub async fn refunded(&self, invoice: &Invoice, minor: i64) -> EventId {
        let payment = invoice.payment_id.clone();
        let message = PaymentRefunded {
            payment_id: payment.clone(),
            invoice_id: invoice.invoice_id.clone(),
            amount: Some(euros(minor)),
            refunded_total: Some(euros(minor)),
            ..PaymentRefunded::default()
        };
        self.tell(EventId::new(), ("refunded", "vbwd.payments.v1.PaymentRefunded"), &payment, &message).await
    }

    /// Publishes an event as payments does.
    pub async fn tell(
        &self,
        event_id: EventId,
        (verb, schema): (&str, &'static str),
        payment: &str,
        message: &impl prost::Message,
    ) -> EventId {
        let outbound = Outbound {
            tenant: self.tenant,
            service: "payments",
            aggregate: "payment",
            event: format!("payment.{verb}"),
            event_id,
            subject_id: payment.to_owned(),
            sequence: "1".to_owned(),
            at: self.clock.now(self.tenant),
            correlation_id: Uuid::now_v7(),
            causation_id: None,
            traceparent: None,
            data: canonical_json(schema, message).unwrap(),
            data_schema: schema,
        };
        let body = outbound.cloud_event().to_string();
        let client = self.platform.bus().client().clone();
        client.publish(outbound.subject(), body.into()).await.unwrap();
        client.flush().await.unwrap();
        event_id
    }

    /// Whether this consumer has dealt with the event.
    pub async fn heard(&self, event: EventId) {
        eventually("the event is heard", || async {
            let statement = "SELECT EXISTS (SELECT FROM inbox WHERE event_id = $1)";
            sqlx::query_scalar(statement).bind(event.as_uuid()).fetch_one(&self.superuser).await.unwrap()
        })
        .await;
    }

    /// Payments knows that this much of the payment went back; nobody says so.
    pub fn went_back(&self, invoice: &Invoice, status: PaymentStatus, minor: i64) {
        let mut till = self.payments.till();
        let payment = till.payments.get_mut(&invoice.payment_id).unwrap();
        payment.set_status(status);
        payment.refunded = Some(euros(minor));
    }

    /// Waits until every event of this service was reacted to.
    pub async fn reacted(&self) {
        let statement = "SELECT NOT EXISTS (SELECT FROM events e \
             WHERE (e.transaction, e.sequence) > (c.transaction, c.sequence)) \
             FROM cursors c WHERE c.name = 'reactor:aftermath'";
        eventually("the reactions", || async {
            sqlx::query_scalar(statement).fetch_optional(&self.superuser).await.unwrap().unwrap_or(false)
        })
        .await;
    }

    /// The next published event of this kind, as a stranger with a plain client sees it.
    pub async fn listen(&self, verb: &str) -> async_nats::Subscriber {
        let subject = format!("evt.{}.invoicing.invoice.{verb}.v1", self.tenant);
        let client = async_nats::connect(self.nats.url()).await.unwrap();
        let subscriber = client.subscribe(subject).await.unwrap();
        client.flush().await.unwrap();
        subscriber
    }
}

pub fn request_through<M>(
    platform: &Platform,
    caller: &Caller,
    operation: OperationId,
    message: M,
) -> tonic::Request<M> {
    let peer = platform.peer("gateway", "invoicing").unwrap();
    let mut request = peer.request_as(caller, message).unwrap();
    request.metadata_mut().insert(runtime::OPERATION_ID, operation.to_string().parse().unwrap());
    request
}

pub async fn heard_by(subscriber: &mut async_nats::Subscriber) -> CloudEvent {
    use std::future::poll_fn;
    use std::pin::Pin;
    let next = poll_fn(|context| futures::Stream::poll_next(Pin::new(subscriber), context));
    let message = tokio::time::timeout(Duration::from_secs(10), next).await.expect("an event").unwrap();
    CloudEvent::parse(&message.payload).unwrap()
}

pub fn euros(minor: i64) -> Money {
    Money { minor, currency: "EUR".to_owned() }
}
