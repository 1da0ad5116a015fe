//! `TenantService`, `UserService`, `RoleService`, `AuditService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::audit_service_server::AuditService;
use contracts::vbwd::identity::v1::role_service_server::RoleService;
use contracts::vbwd::identity::v1::tenant_service_server::TenantService;
use contracts::vbwd::identity::v1::user_directory_service_server::UserDirectoryService;
use contracts::vbwd::identity::v1::user_service_server::UserService;
use tonic::{Request, Response, Status};

use super::{Api, convert};
use crate::app::Cause;

#[tonic::async_trait]
impl TenantService for Api {
    async fn resolve_tenant(
        &self,
        request: Request<proto::ResolveTenantRequest>,
    ) -> Result<Response<proto::ResolveTenantResponse>, Status> {
        let tenant = self.0.resolve_tenant(&request.into_inner().host).await?;
        Ok(Response::new(proto::ResolveTenantResponse {
            tenant_id: tenant.id.to_string(),
            slug: tenant.slug,
            default_currency: tenant.default_currency,
        }))
    }
}

#[tonic::async_trait]
impl UserDirectoryService for Api {
    async fn look_up_user(
        &self,
        request: Request<proto::LookUpUserRequest>,
    ) -> Result<Response<proto::LookUpUserResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let id = convert::user_id(&request.get_ref().user_id)?;
        let found = self.0.look_up_user(caller.tenant, id).await?;
        let answer = found.map(|user| proto::LookUpUserResponse {
            exists: true,
            active: user.status == crate::tables::users::Status::Active,
            email: user.email,
            display_name: user.display_name,
            ..proto::LookUpUserResponse::default()
        });
        Ok(Response::new(answer.unwrap_or_default()))
    }
}

#[tonic::async_trait]
impl UserService for Api {
    async fn list_users(
        &self,
        request: Request<proto::ListUsersRequest>,
    ) -> Result<Response<proto::ListUsersResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let page = convert::page(request.get_ref().page_size, &request.get_ref().cursor)?;
        let mut users = self.0.list_users(caller.tenant, page.before, page.fetched()).await?;
        let next_cursor = page.cut(&mut users, |last| last.id.as_uuid());
        let users = users.into_iter().map(convert::user).collect();
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
        Ok(Response::new(proto::SuspendUserResponse { user: Some(convert::user(user)) }))
    }

    async fn activate_user(
        &self,
        request: Request<proto::ActivateUserRequest>,
    ) -> Result<Response<proto::ActivateUserResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let (cause, id) =
            (Cause { caller: &caller, context: &context }, convert::user_id(&request.get_ref().user_id)?);
        let user = self.0.activate_user(&cause, id).await?;
        Ok(Response::new(proto::ActivateUserResponse { user: Some(convert::user(user)) }))
    }

    async fn set_user_roles(
        &self,
        request: Request<proto::SetUserRolesRequest>,
    ) -> Result<Response<proto::SetUserRolesResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let (cause, id) = (Cause { caller: &caller, context: &context }, convert::user_id(&message.user_id)?);
        let user = self.0.set_user_roles(&cause, id, message.roles).await?;
        Ok(Response::new(proto::SetUserRolesResponse { user: Some(convert::user(user)) }))
    }
}

#[tonic::async_trait]
impl RoleService for Api {
    async fn list_roles(
        &self,
        request: Request<proto::ListRolesRequest>,
    ) -> Result<Response<proto::ListRolesResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let roles = self.0.list_roles(caller.tenant).await?;
        let roles = roles.into_iter().map(|(role, built_in)| convert::role(role, built_in)).collect();
        Ok(Response::new(proto::ListRolesResponse { roles }))
    }

    async fn put_role(
        &self,
        request: Request<proto::PutRoleRequest>,
    ) -> Result<Response<proto::PutRoleResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let cause = Cause { caller: &caller, context: &context };
        let role = self.0.put_role(&cause, &message.name, &message.permissions).await?;
        Ok(Response::new(proto::PutRoleResponse { role: Some(convert::role(role, false)) }))
    }
}

#[tonic::async_trait]
impl AuditService for Api {
    async fn list_audit_entries(
        &self,
        request: Request<proto::ListAuditEntriesRequest>,
    ) -> Result<Response<proto::ListAuditEntriesResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let page = convert::page(request.get_ref().page_size, &request.get_ref().cursor)?;
        let mut links = self.0.list_audit_entries(caller.tenant, page.before, page.fetched()).await?;
        let next_cursor = page.cut(&mut links, |last| last.sequence);
        let entries = links.into_iter().map(convert::audit_entry).collect();
        Ok(Response::new(proto::ListAuditEntriesResponse { entries, next_cursor }))
    }
}
