//! `AccountService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::account_service_server::AccountService;
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use super::{ACCEPTED, Api, convert, profile, timestamp};
use crate::app::Edit;

#[tonic::async_trait]
impl AccountService for Api {
    async fn update_account(
        &self,
        request: Request<proto::UpdateAccountRequest>,
    ) -> Result<Response<proto::UpdateAccountResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let edit = Edit {
            revision: message.revision,
            display_name: &message.display_name,
            details: profile::details(message.details),
        };
        let edited = self.0.update_account(&caller, &context, edit).await?;
        Ok(Response::new(proto::UpdateAccountResponse { user: Some(profile::profile(edited)) }))
    }

    async fn list_sessions(
        &self,
        request: Request<proto::ListSessionsRequest>,
    ) -> Result<Response<proto::ListSessionsResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let (open, current) = self.0.list_sessions(&caller).await?;
        let sessions =
            open.into_iter().map(|session| profile::session_info(session, Some(current))).collect();
        Ok(Response::new(proto::ListSessionsResponse { sessions }))
    }

    async fn end_session(
        &self,
        request: Request<proto::EndSessionRequest>,
    ) -> Result<Response<proto::EndSessionResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let session = convert::session_id(&request.get_ref().session_id)?;
        self.0.end_session(&caller, &context, session).await?;
        Ok(Response::new(proto::EndSessionResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<proto::ChangePasswordRequest>,
    ) -> Result<Response<proto::ChangePasswordResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::ChangePasswordRequest { current_password, new_password } = request.into_inner();
        let (current, new) = (SecretString::from(current_password), SecretString::from(new_password));
        let ended = self.0.change_password(&caller, &context, current, new).await?;
        let sessions_ended = i32::try_from(ended).unwrap_or(i32::MAX);
        Ok(Response::new(proto::ChangePasswordResponse { sessions_ended }))
    }

    async fn request_email_change(
        &self,
        request: Request<proto::RequestEmailChangeRequest>,
    ) -> Result<Response<proto::RequestEmailChangeResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let proto::RequestEmailChangeRequest { new_email, password } = request.into_inner();
        let password = SecretString::from(password);
        self.0.request_email_change(&caller, &context, &new_email, password).await?;
        Ok(Response::new(proto::RequestEmailChangeResponse { status: ACCEPTED.to_owned() }))
    }

    async fn resend_email_verification(
        &self,
        request: Request<proto::ResendEmailVerificationRequest>,
    ) -> Result<Response<proto::ResendEmailVerificationResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        self.0.resend_verification(&caller, &context).await?;
        Ok(Response::new(proto::ResendEmailVerificationResponse { status: ACCEPTED.to_owned() }))
    }

    async fn erase_account(
        &self,
        request: Request<proto::EraseAccountRequest>,
    ) -> Result<Response<proto::EraseAccountResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let password = SecretString::from(request.into_inner().password);
        self.0.erase_account(&caller, &context, password).await?;
        Ok(Response::new(proto::EraseAccountResponse {}))
    }

    async fn export_account(
        &self,
        request: Request<proto::ExportAccountRequest>,
    ) -> Result<Response<proto::ExportAccountResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let export = self.0.export_account(&caller).await?;
        let info = |session| profile::session_info(session, Some(export.current));
        Ok(Response::new(proto::ExportAccountResponse {
            exported_at: Some(timestamp(export.at)),
            sessions: export.sessions.into_iter().map(info).collect(),
            audit_entries: export.entries.into_iter().map(convert::audit_entry).collect(),
            user: Some(profile::profile(export.profile)),
        }))
    }
}
