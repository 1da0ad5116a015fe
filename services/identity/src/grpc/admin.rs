//! `TenantService`, `UserDirectoryService`, `RoleService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::role_service_server::RoleService;
use contracts::vbwd::identity::v1::tenant_service_server::TenantService;
use contracts::vbwd::identity::v1::user_directory_service_server::UserDirectoryService;
use tonic::{Request, Response, Status};

use super::{Api, convert};
use crate::app::Cause;
use crate::tables::users;

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
            requests_per_minute: tenant.requests_per_minute,
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
        let Some((user, locale)) = found else {
            return Ok(Response::new(proto::LookUpUserResponse::default()));
        };
        Ok(Response::new(proto::LookUpUserResponse {
            exists: true,
            active: user.status == users::Status::Active,
            email_verified: user.email_verified_at.is_some(),
            email: user.email,
            display_name: user.display_name,
            locale,
        }))
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
