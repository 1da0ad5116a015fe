//! The rpcs of customers: the next action of a payment, and saved methods.

use contracts::vbwd::payments::v1 as proto;
use contracts::vbwd::payments::v1::customer_payment_service_server::CustomerPaymentService;
use fault::Fault;
use ids::{PaymentMethodId, SetupId};
use tonic::{Request, Response, Status};

use super::Api;
use super::convert::{action_proto, payment_id, saved_proto, setup_proto};
use crate::app::user;

#[tonic::async_trait]
impl CustomerPaymentService for Api {
    async fn get_payment_action(
        &self,
        request: Request<proto::GetPaymentActionRequest>,
    ) -> Result<Response<proto::GetPaymentActionResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id = payment_id(&request.get_ref().payment_id)?;
        let (row, action) = self.0.next_action(&caller, id).await?;
        let action = action_proto(&row.provider, row.status.is_open(), action);
        Ok(Response::new(proto::GetPaymentActionResponse { action: Some(action) }))
    }

    async fn list_saved_methods(
        &self,
        request: Request<proto::ListSavedMethodsRequest>,
    ) -> Result<Response<proto::ListSavedMethodsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let methods = self.0.saved_methods((caller.tenant, user(&caller)?)).await?;
        let methods = methods.into_iter().map(saved_proto).collect();
        Ok(Response::new(proto::ListSavedMethodsResponse { methods }))
    }

    async fn set_default_method(
        &self,
        request: Request<proto::SetDefaultMethodRequest>,
    ) -> Result<Response<proto::SetDefaultMethodResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let id = method_id(&request.get_ref().payment_method_id)?;
        let method = self.0.make_default(&context, user(&caller)?, id).await?;
        Ok(Response::new(proto::SetDefaultMethodResponse { method: Some(saved_proto(method)) }))
    }

    async fn remove_saved_method(
        &self,
        request: Request<proto::RemoveSavedMethodRequest>,
    ) -> Result<Response<proto::RemoveSavedMethodResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let id = method_id(&request.get_ref().payment_method_id)?;
        self.0.forget(&context, user(&caller)?, id).await?;
        Ok(Response::new(proto::RemoveSavedMethodResponse {}))
    }

    async fn start_setup(
        &self,
        request: Request<proto::StartSetupRequest>,
    ) -> Result<Response<proto::StartSetupResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::StartSetupRequest { method, return_url } = request.into_inner();
        let setup = self.0.start_setup(&context, user(&caller)?, (&method, &return_url)).await?;
        Ok(Response::new(proto::StartSetupResponse { setup: Some(setup_proto(setup)) }))
    }

    async fn get_setup(
        &self,
        request: Request<proto::GetSetupRequest>,
    ) -> Result<Response<proto::GetSetupResponse>, Status> {
        let caller = auth::caller(&request)?;
        let id: SetupId = request.get_ref().setup_id.parse().map_err(|_| Fault::not_found("setup"))?;
        let setup = self.0.setup(caller.tenant, user(&caller)?, id).await?;
        Ok(Response::new(proto::GetSetupResponse { setup: Some(setup_proto(setup)) }))
    }

    async fn find_chargeable_method(
        &self,
        request: Request<proto::FindChargeableMethodRequest>,
    ) -> Result<Response<proto::FindChargeableMethodResponse>, Status> {
        let tenant = auth::caller(&request)?.tenant;
        let message = request.into_inner();
        let user = message.user_id.parse();
        let user = user.map_err(|_| Fault::invalid("/user_id", "malformed", "An id is malformed."))?;
        let wish = Some(message.payment_method_id.as_str()).filter(|text| !text.is_empty());
        let wish = wish.map(method_id).transpose()?;
        let method = self.0.chargeable((tenant, user), wish).await?.map(saved_proto);
        Ok(Response::new(proto::FindChargeableMethodResponse { method }))
    }
}

fn method_id(text: &str) -> fault::Result<PaymentMethodId> {
    text.parse().map_err(|_| Fault::not_found("payment_method"))
}
