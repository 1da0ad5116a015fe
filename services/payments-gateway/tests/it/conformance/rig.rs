//! What the suite needs of a provider and its double, and the orders it makes.

use std::time::Duration;

use ids::{InvoiceId, PaymentId, RefundId, SetupId, UserId};
use kernel::{Clock as _, SystemClock};
use money::{Currency, Money};
use payments_gateway::provider::{
    CaptureOrder, News, Order, PaymentProvider, ProviderError, ProviderEvent, RawWebhook, RefundOrder,
    SetupOrder, SetupState,
};
use payments_gateway_domain::{
    Capture, CaptureMode, Decline, Instrument, ProviderSnapshot, ProviderState, Terms,
};
use payments_gateway_doubles::gate::Gate;
use payments_gateway_doubles::sink::Sink;

/// How a customer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It works at once.
    Instant,
    /// The bank wants to see the customer.
    Challenge,
    /// A bank debit that takes its time.
    Debit,
    /// It can be saved and is declined when it is charged.
    Declined(Decline),
}

/// An adapter in front of its double.
pub trait Rig: Sized + Sync {
    /// Starts the double and the adapter.
    fn start() -> impl Future<Output = Self>;
    /// The adapter.
    fn provider(&self) -> &dyn PaymentProvider;
    /// What is between them.
    fn gate(&self) -> &Gate;
    /// Where webhooks arrive.
    fn sink(&self) -> &Sink;
    /// The method code for a way; none where the provider has no such way.
    fn method(&self, way: Way) -> Option<&'static str>;
    /// The customer fills in the provider's form, where it has one.
    fn customer_confirms(&self, reference: &str, way: Way) -> impl Future<Output = ()>;
    /// The customer comes back from the bank.
    fn bank_answers(&self, reference: &str, confirmed: bool) -> impl Future<Output = ()>;
    /// A debit ends.
    fn debit_ends(&self, reference: &str, paid: bool) -> impl Future<Output = ()>;
    /// The customer's bank wants money back.
    fn disputes(&self, reference: &str, minor: i64) -> impl Future<Output = ()>;
    /// The dispute is decided.
    fn decides(&self, reference: &str, won: bool) -> impl Future<Output = ()>;
    /// The body signed as the provider would at this second, with the id its signature may cover.
    fn sign(&self, body: &[u8], at: i64) -> RawWebhook;
}

pub fn eur(minor: i64) -> Money {
    Money::new(minor, Currency::EUR)
}

/// An order and what belongs to it.
#[derive(Clone)]
pub struct Wish {
    pub payment_id: PaymentId,
    pub terms: Terms,
    pub customer: String,
    pub instrument: Option<Instrument>,
}

impl Wish {
    pub fn of(rig: &impl Rig, way: Way) -> Self {
        Self::by(rig.method(way).unwrap(), rig.provider().code())
    }

    /// A wish to pay by a method of a provider.
    pub fn by(method: &str, provider: &str) -> Self {
        let method = method.to_owned();
        let terms = Terms {
            invoice_id: InvoiceId::new(),
            user_id: UserId::new(),
            amount: eur(2000),
            method,
            provider: provider.to_owned(),
            return_url: "https://shop.example/return".to_owned(),
            description: "Invoice 1".to_owned(),
            capture: CaptureMode::Automatic,
            saved_method: None,
            off_session: false,
            save_method: false,
        };
        Self { payment_id: PaymentId::new(), terms, customer: String::new(), instrument: None }
    }

    pub fn reserved(mut self) -> Self {
        self.terms.capture = CaptureMode::Manual;
        self
    }

    pub fn costing(mut self, amount: Money) -> Self {
        self.terms.amount = amount;
        self
    }

    pub fn charging(mut self, instrument: &Instrument) -> Self {
        (self.customer, self.instrument) = (instrument.customer.clone(), Some(instrument.clone()));
        self.terms.off_session = true;
        self
    }

    pub async fn send(&self, rig: &impl Rig) -> Result<ProviderSnapshot, ProviderError> {
        self.order(rig.provider()).await
    }

    /// Sends it to an adapter.
    pub async fn order(&self, provider: &dyn PaymentProvider) -> Result<ProviderSnapshot, ProviderError> {
        let Self { payment_id, terms, customer, instrument } = self;
        let order = Order { payment_id: *payment_id, terms, customer, instrument: instrument.as_ref() };
        provider.create(order).await
    }

    /// Sends it and lets the customer fill in the form; answers the provider's reference.
    pub async fn pay(&self, rig: &impl Rig, way: Way) -> String {
        let made = self.send(rig).await.unwrap();
        rig.customer_confirms(&made.reference, way).await;
        made.reference
    }

    pub async fn capture(
        &self,
        rig: &impl Rig,
        reference: &str,
        (nth, minor): (u32, Option<i64>),
    ) -> Result<ProviderSnapshot, ProviderError> {
        let currency = self.terms.amount.currency();
        let amount = minor.map(|minor| Money::new(minor, currency));
        let capture = Capture { nth, amount, keep_rest: false };
        let (whole, captured) = (self.terms.amount, Money::zero(currency));
        let order = CaptureOrder { payment_id: self.payment_id, reference, capture, whole, captured };
        rig.provider().capture(order).await
    }
}

/// A payment that was taken whole, and its reference.
pub async fn paid(rig: &impl Rig) -> String {
    let reference = Wish::of(rig, Way::Instant).pay(rig, Way::Instant).await;
    assert_eq!(read(rig, &reference).await.state, ProviderState::Captured);
    reference
}

pub async fn read(rig: &impl Rig, reference: &str) -> ProviderSnapshot {
    rig.provider().fetch(reference).await.unwrap()
}

pub async fn refund(
    rig: &impl Rig,
    reference: &str,
    refund_id: RefundId,
    minor: i64,
) -> Result<ProviderSnapshot, ProviderError> {
    rig.provider().refund(RefundOrder { reference, refund_id, amount: eur(minor) }).await
}

/// A refund under a new id, at an adapter.
pub async fn refund_of(
    provider: &dyn PaymentProvider,
    reference: &str,
    minor: i64,
) -> Result<ProviderSnapshot, ProviderError> {
    provider.refund(RefundOrder { reference, refund_id: RefundId::new(), amount: eur(minor) }).await
}

/// Saves a method by a set-up and answers what can be charged.
pub async fn save(rig: &impl Rig, way: Way) -> Instrument {
    let provider = rig.provider();
    let customer = provider.customer(UserId::new()).await.unwrap();
    let order = SetupOrder {
        setup_id: SetupId::new(),
        user_id: UserId::new(),
        method: rig.method(way).unwrap(),
        customer: &customer,
        return_url: "https://shop.example/return",
    };
    let begun = provider.set_up(order).await.unwrap();
    let again = provider.set_up(order).await.unwrap();
    assert_eq!(begun.reference, again.reference, "the same set-up twice is one");
    if begun.state == SetupState::RequiresAction {
        rig.customer_confirms(&begun.reference, way).await;
        if way == Way::Challenge {
            rig.bank_answers(&begun.reference, true).await;
        }
    }
    match provider.fetch_setup(&begun.reference).await.unwrap().0.state {
        SetupState::Succeeded(instrument) => instrument,
        other => panic!("{way:?} is {other:?}"),
    }
}

/// The webhook about a payment that `fits`, verified by the adapter.
pub async fn told(rig: &impl Rig, fits: impl Fn(&ProviderEvent) -> bool) -> (RawWebhook, ProviderEvent) {
    for _ in 0..400 {
        for one in rig.sink().received() {
            let raw = RawWebhook { headers: one.headers, body: one.body };
            let event = rig.provider().parse_and_verify_webhook(&raw, SystemClock.wall()).unwrap();
            if fits(&event) {
                return (raw, event);
            }
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no such webhook among {}", rig.sink().received().len());
}

/// The payment that news are about.
pub fn subject(news: &News) -> Option<&str> {
    match news {
        News::Payment { snapshot, .. } => Some(&snapshot.reference),
        News::PaymentChanged { reference, .. } => Some(reference),
        _ => None,
    }
}
