//! The rpcs: convert, call the use case, convert. Who may call was checked by the guard before.

pub(crate) mod convert;
mod customers;
mod settings;

use std::sync::Arc;

use contracts::vbwd::payments::v1 as proto;
use contracts::vbwd::payments::v1::customer_payment_service_server::CustomerPaymentServiceServer;
use contracts::vbwd::payments::v1::payment_service_server::{PaymentService, PaymentServiceServer};
use contracts::vbwd::payments::v1::payment_settings_service_server::PaymentSettingsServiceServer;
use contracts::vbwd::payments::v1::webhook_service_server::{WebhookService, WebhookServiceServer};
use eventstore::CommandContext;
use money::Money;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::app::Payments;
use crate::provider::RawWebhook;
use crate::rules::Wish;
use convert::{method_proto, optional_money, payment_id, payment_proto, terms};

/// The handlers.
#[derive(Clone)]
struct Api(Arc<Payments>);

/// The rpcs of payments.
pub(crate) fn routes(payments: Arc<Payments>) -> Routes {
    let api = Api(payments);
    Routes::new(PaymentServiceServer::new(api.clone()))
        .add_service(CustomerPaymentServiceServer::new(api.clone()))
        .add_service(PaymentSettingsServiceServer::new(api.clone()))
        .add_service(WebhookServiceServer::new(api))
}

impl Api {
    fn context<T>(&self, request: &Request<T>) -> fault::Result<(Arc<auth::Caller>, CommandContext)> {
        runtime::context(request, &*self.0.clock)
    }
}

#[tonic::async_trait]
impl PaymentService for Api {
    async fn create_payment(
        &self,
        request: Request<proto::CreatePaymentRequest>,
    ) -> Result<Response<proto::CreatePaymentResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let id = payment_id(&message.payment_id)?;
        let payment = payment_proto(&self.0.create(&context, id, terms(message)?).await?);
        Ok(Response::new(proto::CreatePaymentResponse { payment: Some(payment) }))
    }

    async fn get_payment(
        &self,
        request: Request<proto::GetPaymentRequest>,
    ) -> Result<Response<proto::GetPaymentResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = payment_id(&request.get_ref().payment_id)?;
        let payment = payment_proto(&self.0.get(&caller, id).await?);
        Ok(Response::new(proto::GetPaymentResponse { payment: Some(payment) }))
    }

    async fn list_payment_methods(
        &self,
        request: Request<proto::ListPaymentMethodsRequest>,
    ) -> Result<Response<proto::ListPaymentMethodsResponse>, Status> {
        let tenant = auth::caller(&request)?.tenant;
        let wish = request.into_inner();
        let currency = wish.currency.parse().ok().filter(|_| wish.amount_minor > 0);
        let amount = currency.map(|currency| Money::new(wish.amount_minor, currency));
        let asked = Wish { currency: &wish.currency, country: &wish.country, amount };
        let offers = self.0.providers.offers(tenant, asked).await?.into_iter();
        let methods = offers.map(|offer| method_proto(offer, amount, &wish.locale)).collect();
        Ok(Response::new(proto::ListPaymentMethodsResponse { methods }))
    }

    async fn capture_payment(
        &self,
        request: Request<proto::CapturePaymentRequest>,
    ) -> Result<Response<proto::CapturePaymentResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let what = (payment_id(&message.payment_id)?, optional_money(message.amount.as_ref())?);
        Ok(Response::new(self.0.capture(&context, what, &message).await?))
    }

    async fn void_payment(
        &self,
        request: Request<proto::VoidPaymentRequest>,
    ) -> Result<Response<proto::VoidPaymentResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let id = payment_id(&request.get_ref().payment_id)?;
        let payment = payment_proto(&self.0.void(&context, id).await?);
        Ok(Response::new(proto::VoidPaymentResponse { payment: Some(payment) }))
    }

    async fn refund_payment(
        &self,
        request: Request<proto::RefundPaymentRequest>,
    ) -> Result<Response<proto::RefundPaymentResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let what = (payment_id(&message.payment_id)?, optional_money(message.amount.as_ref())?);
        Ok(Response::new(self.0.refund(&context, what, &message).await?))
    }
}

#[tonic::async_trait]
impl WebhookService for Api {
    async fn receive_webhook(
        &self,
        request: Request<proto::ReceiveWebhookRequest>,
    ) -> Result<Response<proto::ReceiveWebhookResponse>, Status> {
        let traceparent = runtime::trace::current().map(|trace| trace.to_string());
        let tenant = auth::caller(&request)?.tenant;
        let message = request.into_inner();
        let webhook = RawWebhook { headers: message.headers.into_iter().collect(), body: message.body };
        let outcome = self.0.receive((tenant, &message.provider), &webhook, traceparent).await?;
        Ok(Response::new(proto::ReceiveWebhookResponse { outcome: outcome.word().to_owned() }))
    }
}
