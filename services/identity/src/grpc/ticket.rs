//! `TicketService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::ticket_service_server::TicketService;
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use super::{ACCEPTED, Api};
use crate::app::Account;

#[tonic::async_trait]
impl TicketService for Api {
    async fn verify_email(
        &self,
        request: Request<proto::VerifyEmailRequest>,
    ) -> Result<Response<proto::VerifyEmailResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let origin = caller.origin.as_deref();
        let work = self.0.verify_email(&context, origin, &request.get_ref().token);
        self.0.watched(&context, origin, Account::Unnamed, work).await?;
        Ok(Response::new(proto::VerifyEmailResponse {}))
    }

    async fn confirm_email_change(
        &self,
        request: Request<proto::ConfirmEmailChangeRequest>,
    ) -> Result<Response<proto::ConfirmEmailChangeResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let (origin, token) = (caller.origin.as_deref(), request.into_inner().token);
        let work = self.0.confirm_email_change(&context, origin, &token);
        self.0.watched(&context, origin, Account::Unnamed, work).await?;
        Ok(Response::new(proto::ConfirmEmailChangeResponse {}))
    }

    async fn accept_invitation(
        &self,
        request: Request<proto::AcceptInvitationRequest>,
    ) -> Result<Response<proto::AcceptInvitationResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::AcceptInvitationRequest { token, password } = request.into_inner();
        let password = SecretString::from(password);
        let origin = caller.origin.as_deref();
        let work = self.0.accept_invitation(&context, origin, &token, password);
        self.0.watched(&context, origin, Account::Unnamed, work).await?;
        Ok(Response::new(proto::AcceptInvitationResponse {}))
    }

    async fn request_password_reset(
        &self,
        request: Request<proto::RequestPasswordResetRequest>,
    ) -> Result<Response<proto::RequestPasswordResetResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let origin = caller.origin.as_deref();
        let work = self.0.wish_reset(&context, origin, &request.get_ref().email);
        self.0.watched_request(&context, origin, work).await?;
        Ok(Response::new(proto::RequestPasswordResetResponse { status: ACCEPTED.to_owned() }))
    }

    async fn reset_password(
        &self,
        request: Request<proto::ResetPasswordRequest>,
    ) -> Result<Response<proto::ResetPasswordResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::ResetPasswordRequest { token, password } = request.into_inner();
        let password = SecretString::from(password);
        let origin = caller.origin.as_deref();
        let work = self.0.reset_password(&context, origin, &token, password);
        self.0.watched(&context, origin, Account::Unnamed, work).await?;
        Ok(Response::new(proto::ResetPasswordResponse {}))
    }
}
