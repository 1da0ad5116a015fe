//! Checkout: quote, price, hold, open, start the payment.
//!
//! Every id follows from the operation id, so a checkout that was cut off anywhere is continued by
//! repeating it: quotes change nothing, holds are idempotent by line, the invoice is opened once by
//! its id, and its payment is created once by its own. Nothing is looked up beforehand: an invoice
//! that exists is met when it is opened, or when anything before that refuses. So the common case
//! costs one transaction here. A repeated checkout answers the same invoice and the same payment,
//! as they stand then.

mod cart;

use std::sync::Arc;

use contracts::vbwd::invoicing::v1::{
    CreateCheckoutRequest, CreateCheckoutResponse, PaymentStep, PreviewCheckoutRequest,
    PreviewCheckoutResponse,
};
use eventstore::{CommandContext, Loaded, body_hash};
use fault::{Code, Fault};
use futures::future::{join_all, try_join_all};
use ids::{InvoiceId, UserId};
use invoicing_domain::{Invoice, Pipeline, Priced, PricedLine, StartPayment};
use jiff::Timestamp;

use crate::collection::Collection;
use crate::config::Config;
use crate::grpc::convert::{cart_refused, checked_return_url, invoice_proto, money_proto, preview_line};
use crate::opening::{Draft, Opener, Opening};
use crate::payments::payment_id;
use crate::queries;
use crate::sellers::Sellers;

const RPC: &str = "CreateCheckout";

/// Sells.
pub(crate) struct Checkout {
    pub sellers: Arc<Sellers>,
    pub collection: Arc<Collection>,
    pub opener: Opener,
    pub pipeline: Pipeline,
    pub config: Config,
}

/// One checkout and the ids that follow from it.
struct Order {
    context: CommandContext,
    user: UserId,
    invoice: InvoiceId,
    request_hash: [u8; 32],
    request: CreateCheckoutRequest,
}

impl Checkout {
    /// Sells what is asked for, or continues what was begun under the same operation id.
    pub(crate) async fn create(
        &self,
        context: CommandContext,
        user: UserId,
        request: CreateCheckoutRequest,
    ) -> fault::Result<CreateCheckoutResponse> {
        let operation = context.operation_id.to_string();
        let facts = ["checkout", &context.tenant.to_string(), &user.to_string(), &operation];
        let invoice = InvoiceId::derived(&facts);
        let request_hash = body_hash(RPC, &request);
        let order = Order { context, user, invoice, request_hash, request };
        match self.sell(&order).await {
            // What was sold stays sold, even if it could not be sold today.
            Err(fault) if !fault.is_transient() => self.continued(&order).await?.ok_or(fault),
            outcome => outcome,
        }
    }

    /// The prices a checkout would have.
    pub(crate) async fn preview(
        &self,
        context: &CommandContext,
        user: UserId,
        request: PreviewCheckoutRequest,
    ) -> fault::Result<PreviewCheckoutResponse> {
        let PreviewCheckoutRequest { lines, currency, billing_country } = request;
        let wanted = cart::Wanted { lines: &lines, currency: &currency, billing_country: &billing_country };
        let line_ids = |place| ids::LineId::derived(&["preview", &usize::to_string(&place)]);
        let priced = self.price(context, user, wanted, line_ids).await?;
        Ok(PreviewCheckoutResponse {
            lines: priced.lines().iter().map(preview_line).collect(),
            total: Some(money_proto(priced.total())),
        })
    }

    async fn sell(&self, order: &Order) -> fault::Result<CreateCheckoutResponse> {
        let request = &order.request;
        checked_return_url(&request.return_url)?;
        let wanted = cart::Wanted {
            lines: &request.lines,
            currency: &request.currency,
            billing_country: &request.billing_country,
        };
        let priced = self.price(&order.context, order.user, wanted, |place| order.line_id(place)).await?;
        let payment = self.first_payment(order, &priced).await?;
        self.hold_all(order, priced.lines()).await?;
        let lines = priced.lines().to_vec();
        let opening = self.opener.open(order.draft(priced, payment, self.due_at(order)?)).await;
        match opening {
            Ok(Opening::Opened(invoice, position)) => {
                let step = self.collection.first_step(&order.context, &invoice).await?;
                Ok(answer(&invoice, step, position.to_string()))
            }
            Ok(Opening::Exists) => self
                .continued(order)
                .await?
                .ok_or_else(|| Fault::internal("the invoice exists and cannot be read")),
            Err(fault) => {
                // Whether a commit that broke off has happened is unknown; the holds expire by themselves.
                if !matches!(fault.code(), Code::Unavailable | Code::Timeout | Code::Internal) {
                    self.release_all(order, &lines).await;
                }
                Err(fault)
            }
        }
    }

    /// The answer to an earlier request with this operation id, if there was one.
    async fn continued(&self, order: &Order) -> fault::Result<Option<CreateCheckoutResponse>> {
        let book = &self.collection.book;
        let stored = queries::request_hash(&book.store, order.context.tenant, order.invoice).await?;
        match stored {
            None => Ok(None),
            Some(hash) if hash != order.request_hash => Err(reused()),
            Some(_) => {
                let invoice = book.load(order.context.tenant, order.invoice).await?;
                let step = self.collection.first_step(&order.context, &invoice).await?;
                Ok(Some(answer(&invoice, step, String::new())))
            }
        }
    }

    async fn price(
        &self,
        context: &CommandContext,
        user: UserId,
        wanted: cart::Wanted<'_>,
        line_id: impl Fn(usize) -> ids::LineId,
    ) -> fault::Result<Priced> {
        let cart = cart::quoted(&self.sellers, context, user, wanted, self.config.default_currency, line_id);
        self.pipeline.price(cart.await?).map_err(cart_refused)
    }

    /// The first attempt to pay; its method must exist before anything is held.
    async fn first_payment(&self, order: &Order, priced: &Priced) -> fault::Result<Option<StartPayment>> {
        if priced.total().is_zero() {
            return Ok(None);
        }
        let CreateCheckoutRequest { payment_method, return_url, billing_country, .. } = &order.request;
        let (method, currency) = (payment_method.as_str(), priced.total().currency());
        self.collection.payments.check_method(&order.context, method, currency, billing_country).await?;
        Ok(Some(StartPayment {
            payment_id: payment_id(order.invoice, 1),
            method: payment_method.clone(),
            return_url: return_url.clone(),
        }))
    }

    /// Holds every line, or none.
    async fn hold_all(&self, order: &Order, lines: &[PricedLine]) -> fault::Result<()> {
        let expires_at = later(order.context.at, self.config.hold_window())?;
        let hold = |line| self.sellers.hold(&order.context, line, order.user, expires_at);
        let held = join_all(lines.iter().map(hold)).await;
        let refused = (0..).zip(held).find_map(|(place, held)| held.err().map(|fault| (place, fault)));
        let Some((place, fault)) = refused else { return Ok(()) };
        // A repetition must not release what the invoice of the first request lives on.
        let book = &self.collection.book;
        if queries::request_hash(&book.store, order.context.tenant, order.invoice).await?.is_none() {
            self.release_all(order, lines).await;
        }
        Err(cart::about_line(place, fault))
    }

    /// A release that fails is no more than a hold that ends at its expiry.
    async fn release_all(&self, order: &Order, lines: &[PricedLine]) {
        let release = |line: &PricedLine| {
            let (kind, line_id) = (line.kind.clone(), line.line_id);
            async move { self.sellers.release(&order.context, &kind, line_id).await }
        };
        if let Err(fault) = try_join_all(lines.iter().map(release)).await {
            tracing::warn!(invoice = %order.invoice, ?fault, "a hold could not be released and will expire");
        }
    }

    fn due_at(&self, order: &Order) -> fault::Result<Timestamp> {
        later(order.context.at, self.config.payment_window())
    }
}

impl Order {
    /// Another body under the same operation id gets other lines, so that it cannot touch holds of
    /// the first.
    fn line_id(&self, place: usize) -> ids::LineId {
        let hash = hex::encode(self.request_hash);
        ids::LineId::derived(&["line", &self.invoice.to_string(), &hash, &place.to_string()])
    }

    fn draft(&self, priced: Priced, payment: Option<StartPayment>, due_at: Timestamp) -> Draft {
        Draft {
            id: self.invoice,
            user_id: self.user,
            priced,
            due_at,
            payment,
            request_hash: self.request_hash,
            context: self.context.clone(),
        }
    }
}

fn answer(
    invoice: &Loaded<Invoice>,
    payment: Option<PaymentStep>,
    position: String,
) -> CreateCheckoutResponse {
    CreateCheckoutResponse { invoice: Some(invoice_proto(invoice)), payment, position }
}

fn later(at: Timestamp, by: jiff::SignedDuration) -> fault::Result<Timestamp> {
    at.checked_add(by).map_err(Fault::internal)
}

fn reused() -> Fault {
    let message = "This operation id was used before with another body.";
    Fault::new(Code::OperationReused, "operation_id_reused", message)
}
