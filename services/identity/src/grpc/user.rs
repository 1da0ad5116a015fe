//! `UserService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::user_service_server::UserService;
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use super::{Api, convert, place, profile, timestamp};
use crate::app::{Cause, Edit, NewMember};

#[tonic::async_trait]
impl UserService for Api {
    async fn list_users(
        &self,
        request: Request<proto::ListUsersRequest>,
    ) -> Result<Response<proto::ListUsersResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let page = convert::page(request.get_ref().page_size, &request.get_ref().cursor)?;
        let filter = profile::filter(request.get_ref())?;
        let mut users = self.0.list_users(caller.tenant, &filter, page.before, page.fetched()).await?;
        let next_cursor = page.cut(&mut users, |last| last.id.as_uuid());
        let users = users.into_iter().map(profile::user).collect();
        Ok(Response::new(proto::ListUsersResponse { users, next_cursor }))
    }

    async fn suspend_user(
        &self,
        request: Request<proto::SuspendUserRequest>,
    ) -> Result<Response<proto::SuspendUserResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        let user = self.0.suspend_user(&cause, id, &message.reason).await?;
        Ok(Response::new(proto::SuspendUserResponse { user: Some(profile::user(user)) }))
    }

    async fn activate_user(
        &self,
        request: Request<proto::ActivateUserRequest>,
    ) -> Result<Response<proto::ActivateUserResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let (cause, id) =
            (Cause { caller: &caller, context: &context }, convert::user_id(&request.get_ref().user_id)?);
        let user = self.0.activate_user(&cause, id).await?;
        Ok(Response::new(proto::ActivateUserResponse { user: Some(profile::user(user)) }))
    }

    async fn set_user_roles(
        &self,
        request: Request<proto::SetUserRolesRequest>,
    ) -> Result<Response<proto::SetUserRolesResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        let user = self.0.set_user_roles(&cause, id, message.roles).await?;
        Ok(Response::new(proto::SetUserRolesResponse { user: Some(profile::user(user)) }))
    }

    async fn get_user(
        &self,
        request: Request<proto::GetUserRequest>,
    ) -> Result<Response<proto::GetUserResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let found = self.0.get_user(caller.tenant, convert::user_id(&request.get_ref().user_id)?).await?;
        Ok(Response::new(proto::GetUserResponse { user: Some(profile::profile(found)) }))
    }

    async fn create_user(
        &self,
        request: Request<proto::CreateUserRequest>,
    ) -> Result<Response<proto::CreateUserResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let new = NewMember {
            email: &message.email,
            display_name: &message.display_name,
            roles: message.roles,
            details: profile::details(message.details),
            password: Some(message.password).filter(|text| !text.is_empty()).map(SecretString::from),
        };
        let created = self.0.create_member(&Cause { caller: &caller, context: &context }, new).await?;
        Ok(Response::new(proto::CreateUserResponse { user: Some(profile::profile(created)) }))
    }

    async fn invite_user(
        &self,
        request: Request<proto::InviteUserRequest>,
    ) -> Result<Response<proto::InviteUserResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let id = convert::user_id(&request.get_ref().user_id)?;
        let user = self.0.invite_again(&Cause { caller: &caller, context: &context }, id).await?;
        Ok(Response::new(proto::InviteUserResponse { user: Some(profile::user(user)) }))
    }

    async fn update_user(
        &self,
        request: Request<proto::UpdateUserRequest>,
    ) -> Result<Response<proto::UpdateUserResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        let edit = Edit {
            revision: message.revision,
            display_name: &message.display_name,
            details: profile::details(message.details),
        };
        let edited = self.0.update_user(&cause, id, edit).await?;
        Ok(Response::new(proto::UpdateUserResponse { user: Some(profile::profile(edited)) }))
    }

    async fn erase_user(
        &self,
        request: Request<proto::EraseUserRequest>,
    ) -> Result<Response<proto::EraseUserResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let id = convert::user_id(&request.get_ref().user_id)?;
        self.0.erase_user(&Cause { caller: &caller, context: &context }, id).await?;
        Ok(Response::new(proto::EraseUserResponse {}))
    }

    async fn list_user_sessions(
        &self,
        request: Request<proto::ListUserSessionsRequest>,
    ) -> Result<Response<proto::ListUserSessionsResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let id = convert::user_id(&request.get_ref().user_id)?;
        let open = self.0.list_user_sessions(caller.tenant, id).await?;
        let sessions = open.into_iter().map(|session| profile::session_info(session, caller.session));
        Ok(Response::new(proto::ListUserSessionsResponse { sessions: sessions.collect() }))
    }

    async fn end_user_sessions(
        &self,
        request: Request<proto::EndUserSessionsRequest>,
    ) -> Result<Response<proto::EndUserSessionsResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        let session = match message.session_id.as_str() {
            "" => None,
            text => Some(convert::session_id(text)?),
        };
        let ended = self.0.end_user_sessions(&cause, id, session).await?;
        let sessions_ended = i32::try_from(ended).unwrap_or(i32::MAX);
        Ok(Response::new(proto::EndUserSessionsResponse { sessions_ended }))
    }

    async fn impersonate_user(
        &self,
        request: Request<proto::ImpersonateUserRequest>,
    ) -> Result<Response<proto::ImpersonateUserResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let user_agent = runtime::user_agent(&request).to_owned();
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        let place = place(&caller, &user_agent);
        let (pair, until) = self.0.impersonate(&cause, place, id, &message.reason, message.minutes).await?;
        let (session, until) = (Some(convert::session(pair)?), Some(timestamp(until)));
        Ok(Response::new(proto::ImpersonateUserResponse { session, until }))
    }
}
