//! The rpcs: find the caller, convert, call. Who may call at all was checked by the guard in front.

pub(crate) mod convert;

use std::sync::Arc;

use contracts::vbwd::invoicing::v1::checkout_service_server::CheckoutService;
use contracts::vbwd::invoicing::v1::invoice_service_server::InvoiceService;
use contracts::vbwd::invoicing::v1::{
    CreateCheckoutRequest, CreateCheckoutResponse, GetInvoiceRequest, GetInvoiceResponse,
    ListAllInvoicesRequest, ListAllInvoicesResponse, ListInvoicesRequest, ListInvoicesResponse,
    PayInvoiceRequest, PayInvoiceResponse, PreviewCheckoutRequest, PreviewCheckoutResponse,
};
use fault::Fault;
use ids::InvoiceId;
use tonic::{Request, Response, Status, async_trait};

use crate::app::App;
use crate::queries::{self, Page, Whose};

/// Holders may read every invoice of the tenant.
const READ_ALL: &str = "invoices.read";

/// The service behind its rpcs.
#[derive(Clone)]
pub(crate) struct Rpcs(pub Arc<App>);

#[async_trait]
impl CheckoutService for Rpcs {
    async fn create_checkout(
        &self,
        request: Request<CreateCheckoutRequest>,
    ) -> Result<Response<CreateCheckoutResponse>, Status> {
        let (caller, context) = runtime::context(&request, &*self.0.clock)?;
        let answer = self.0.checkout.create(context, caller.user()?, request.into_inner());
        Ok(Response::new(Box::pin(answer).await?))
    }

    async fn preview_checkout(
        &self,
        request: Request<PreviewCheckoutRequest>,
    ) -> Result<Response<PreviewCheckoutResponse>, Status> {
        let (caller, context) = runtime::context(&request, &*self.0.clock)?;
        let answer = self.0.checkout.preview(&context, caller.user()?, request.into_inner()).await?;
        Ok(Response::new(answer))
    }
}

#[async_trait]
impl InvoiceService for Rpcs {
    async fn get_invoice(
        &self,
        request: Request<GetInvoiceRequest>,
    ) -> Result<Response<GetInvoiceResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = invoice_id(&request.get_ref().invoice_id)?;
        let whose =
            if caller.permissions.allows(READ_ALL) { Whose::Anyone } else { Whose::User(caller.user()?) };
        let invoice = queries::invoice(&self.0.store, caller.tenant, id, whose).await?;
        Ok(Response::new(GetInvoiceResponse { invoice: Some(invoice) }))
    }

    async fn list_invoices(
        &self,
        request: Request<ListInvoicesRequest>,
    ) -> Result<Response<ListInvoicesResponse>, Status> {
        let caller = auth::caller(&request)?;
        let page = Page::of(request.get_ref().page_size, &request.get_ref().cursor)?;
        let whose = Whose::User(caller.user()?);
        let (invoices, next_cursor) = queries::page(&self.0.store, caller.tenant, whose, page).await?;
        Ok(Response::new(ListInvoicesResponse { invoices, next_cursor }))
    }

    async fn pay_invoice(
        &self,
        request: Request<PayInvoiceRequest>,
    ) -> Result<Response<PayInvoiceResponse>, Status> {
        let (caller, context) = runtime::context(&request, &*self.0.clock)?;
        let (user, request) = (caller.user()?, request.into_inner());
        let id = invoice_id(&request.invoice_id)?;
        Ok(Response::new(Box::pin(self.0.checkout.collection.pay(&context, user, id, &request)).await?))
    }

    async fn list_all_invoices(
        &self,
        request: Request<ListAllInvoicesRequest>,
    ) -> Result<Response<ListAllInvoicesResponse>, Status> {
        let caller = auth::caller(&request)?;
        let page = Page::of(request.get_ref().page_size, &request.get_ref().cursor)?;
        let (invoices, next_cursor) =
            queries::page(&self.0.store, caller.tenant, Whose::Anyone, page).await?;
        Ok(Response::new(ListAllInvoicesResponse { invoices, next_cursor }))
    }
}

/// What is no id names no invoice.
fn invoice_id(text: &str) -> fault::Result<InvoiceId> {
    text.parse().map_err(|_| Fault::not_found("invoice"))
}
