//! A seller and a payments service that do what a test tells them, and remember what was asked.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use contracts::vbwd::invoicing::v1::line_item_source_service_server::LineItemSourceService;
use contracts::vbwd::invoicing::v1::*;
use contracts::vbwd::money::v1::Money;
use contracts::vbwd::payments::v1::payment_service_server::PaymentService;
use contracts::vbwd::payments::v1::*;
use fault::{Code, Fault};
use tonic::{Request, Response, Status, async_trait};

/// What the seller sells and how it behaves, by item.
#[derive(Default)]
pub struct Shelf {
    /// Price in euro cents.
    pub prices: HashMap<String, i64>,
    pub inactive: HashSet<String>,
    /// Items whose description no database can keep.
    pub poisoned: HashSet<String>,
    pub sold_out: HashSet<String>,
    /// How often delivery fails before it works.
    pub delivery_troubles: HashMap<String, u32>,
    pub undeliverable: HashSet<String>,
    /// Items whose seller claims to have delivered them with other contents.
    pub muddled: HashSet<String>,
    /// Items that are delivered while the answer gets lost.
    pub lost_answers: HashSet<String>,
    pub held: Vec<String>,
    pub released: Vec<String>,
    /// How often each line was delivered, and taken back.
    pub delivered: BTreeMap<String, u32>,
    pub taken_back: BTreeMap<String, u32>,
    pub delivery_attempts: u32,
    pub quotes: u32,
}

#[derive(Clone, Default)]
pub struct FakeSeller(Arc<Mutex<Shelf>>);

impl FakeSeller {
    pub fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl LineItemSourceService for FakeSeller {
    async fn quote(&self, request: Request<QuoteRequest>) -> Result<Response<QuoteResponse>, Status> {
        tokio::task::yield_now().await;
        let request = request.into_inner();
        let mut shelf = self.shelf();
        shelf.quotes += 1;
        let Some(price) = shelf.prices.get(&request.item_id) else {
            return Err(Fault::new(Code::NotFound, "bundle_unknown", "There is no such bundle.").into());
        };
        if shelf.inactive.contains(&request.item_id) {
            return Err(Fault::rejected("bundle_inactive", "The bundle is not on sale.").into());
        }
        if request.currency != "EUR" {
            return Err(Fault::rejected("currency_not_offered", "Not sold in this currency.").into());
        }
        let poison = if shelf.poisoned.contains(&request.item_id) { "\0" } else { "" };
        Ok(Response::new(QuoteResponse {
            description: format!("{}{poison}", request.item_id),
            unit_price: Some(Money { minor: *price, currency: request.currency }),
            tax_class: "digital".to_owned(),
            terms_json: "{\"tokens\":100}".to_owned(),
        }))
    }

    async fn hold(&self, request: Request<HoldRequest>) -> Result<Response<HoldResponse>, Status> {
        tokio::task::yield_now().await;
        let request = request.into_inner();
        let mut shelf = self.shelf();
        if shelf.sold_out.contains(&request.item_id) {
            return Err(Fault::rejected("sold_out", "Nothing is left.").into());
        }
        shelf.held.push(request.line_id);
        Ok(Response::new(HoldResponse {}))
    }

    async fn release_hold(
        &self,
        request: Request<ReleaseHoldRequest>,
    ) -> Result<Response<ReleaseHoldResponse>, Status> {
        self.shelf().released.push(request.into_inner().line_id);
        Ok(Response::new(ReleaseHoldResponse {}))
    }

    async fn fulfil(&self, request: Request<FulfilRequest>) -> Result<Response<FulfilResponse>, Status> {
        let line = request.into_inner().line.unwrap();
        let mut shelf = self.shelf();
        shelf.delivery_attempts += 1;
        if shelf.undeliverable.contains(&line.item_id) {
            return Err(Fault::rejected("bundle_gone", "The bundle is gone for good.").into());
        }
        if shelf.muddled.contains(&line.item_id) {
            return Err(
                Fault::new(Code::OperationReused, "operation_id_reused", "Delivered otherwise.").into()
            );
        }
        if let Some(troubles) = shelf.delivery_troubles.get_mut(&line.item_id).filter(|left| **left > 0) {
            *troubles -= 1;
            return Err(Fault::unavailable("ledger_busy", "no answer").into());
        }
        let receipt = format!("receipt-{}", line.line_id);
        *shelf.delivered.entry(line.line_id).or_default() += 1;
        if shelf.lost_answers.contains(&line.item_id) {
            return Err(Fault::unavailable("service_unreachable", "the answer was lost").into());
        }
        Ok(Response::new(FulfilResponse { receipt }))
    }

    async fn reverse(&self, request: Request<ReverseRequest>) -> Result<Response<ReverseResponse>, Status> {
        let line = request.into_inner().line.unwrap();
        let mut shelf = self.shelf();
        if !shelf.delivered.contains_key(&line.line_id) {
            return Err(Fault::rejected("line_not_fulfilled", "It was not delivered.").into());
        }
        *shelf.taken_back.entry(line.line_id).or_default() += 1;
        Ok(Response::new(ReverseResponse { receipt: "back".to_owned() }))
    }

    async fn restore(&self, _: Request<RestoreRequest>) -> Result<Response<RestoreResponse>, Status> {
        Err(Fault::rejected("not_here", "Nothing restores here.").into())
    }
}

/// What payments knows and how it behaves.
#[derive(Default)]
pub struct Till {
    pub payments: BTreeMap<String, Payment>,
    /// Status of the payments that are created next; `Processing` unless said otherwise.
    pub next_status: Option<PaymentStatus>,
    /// How many of the next creations get no answer.
    pub creations_lost: u32,
    /// Refunds by operation id: a repeated one happens once.
    pub refunds: BTreeMap<String, RefundPaymentRequest>,
    pub creations: u32,
    /// Every creation is refused for good.
    pub refuses: bool,
    pub given_up: Vec<String>,
}

#[derive(Clone, Default)]
pub struct FakePayments(Arc<Mutex<Till>>);

impl FakePayments {
    pub fn till(&self) -> MutexGuard<'_, Till> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl PaymentService for FakePayments {
    async fn create_payment(
        &self,
        request: Request<CreatePaymentRequest>,
    ) -> Result<Response<CreatePaymentResponse>, Status> {
        let request = request.into_inner();
        let mut till = self.till();
        till.creations += 1;
        if till.creations_lost > 0 {
            till.creations_lost -= 1;
            return Err(Fault::unavailable("payments_down", "no answer").into());
        }
        if till.refuses {
            return Err(Fault::rejected("method_suspended", "Not by this method today.").into());
        }
        let status = till.next_status.unwrap_or(PaymentStatus::Processing);
        let declined = status == PaymentStatus::Failed;
        let payment = till.payments.entry(request.payment_id.clone()).or_insert_with(|| Payment {
            payment_id: request.payment_id,
            invoice_id: request.invoice_id,
            status: status.into(),
            amount: request.amount,
            method: request.method,
            redirect_url: "https://pay.example/".to_owned(),
            failure_code: if declined { "card_declined".to_owned() } else { String::new() },
            ..Payment::default()
        });
        Ok(Response::new(CreatePaymentResponse { payment: Some(payment.clone()) }))
    }

    async fn get_payment(
        &self,
        request: Request<GetPaymentRequest>,
    ) -> Result<Response<GetPaymentResponse>, Status> {
        let payment = self.till().payments.get(&request.get_ref().payment_id).cloned();
        let payment = payment.ok_or_else(|| Fault::not_found("payment"))?;
        Ok(Response::new(GetPaymentResponse { payment: Some(payment) }))
    }

    async fn list_payment_methods(
        &self,
        _: Request<ListPaymentMethodsRequest>,
    ) -> Result<Response<ListPaymentMethodsResponse>, Status> {
        let method = |code: &str| PaymentMethod { code: code.to_owned(), ..PaymentMethod::default() };
        let methods = vec![method("sandbox_card"), method("sandbox_voucher")];
        Ok(Response::new(ListPaymentMethodsResponse { methods }))
    }

    async fn capture_payment(
        &self,
        _: Request<CapturePaymentRequest>,
    ) -> Result<Response<CapturePaymentResponse>, Status> {
        Err(Fault::rejected("not_here", "Nothing is captured here.").into())
    }

    async fn void_payment(
        &self,
        request: Request<VoidPaymentRequest>,
    ) -> Result<Response<VoidPaymentResponse>, Status> {
        self.till().given_up.push(request.into_inner().payment_id);
        Ok(Response::new(VoidPaymentResponse { payment: None }))
    }

    async fn refund_payment(
        &self,
        request: Request<RefundPaymentRequest>,
    ) -> Result<Response<RefundPaymentResponse>, Status> {
        let operation = request.metadata().get(runtime::OPERATION_ID).unwrap().to_str().unwrap().to_owned();
        self.till().refunds.insert(operation, request.into_inner());
        Ok(Response::new(RefundPaymentResponse { payment: None }))
    }
}
