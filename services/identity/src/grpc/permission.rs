//! `PermissionService`.

use contracts::vbwd::identity::v1 as proto;
use contracts::vbwd::identity::v1::permission_service_server::PermissionService;
use tonic::{Request, Response, Status};

use super::{Api, convert};
use crate::app::Cause;
use crate::tables::permissions::Declared;
use crate::tables::users;

#[tonic::async_trait]
impl PermissionService for Api {
    async fn list_permissions(
        &self,
        _: Request<proto::ListPermissionsRequest>,
    ) -> Result<Response<proto::ListPermissionsResponse>, Status> {
        let all = self.0.list_permissions().await?.into_iter();
        let info = |one: Declared| proto::PermissionInfo {
            permission: one.permission,
            source: one.source,
            description: one.description,
        };
        Ok(Response::new(proto::ListPermissionsResponse { permissions: all.map(info).collect() }))
    }

    async fn set_role_permission(
        &self,
        request: Request<proto::SetRolePermissionRequest>,
    ) -> Result<Response<proto::SetRolePermissionResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let message = request.into_inner();
        let cause = Cause { caller: &caller, context: &context };
        let role =
            self.0.set_role_permission(&cause, &message.name, &message.permission, message.granted).await?;
        Ok(Response::new(proto::SetRolePermissionResponse { role: Some(convert::role(role, false)) }))
    }

    async fn delete_role(
        &self,
        request: Request<proto::DeleteRoleRequest>,
    ) -> Result<Response<proto::DeleteRoleResponse>, Status> {
        let (caller, context) = self.context(&request)?;
        let cause = Cause { caller: &caller, context: &context };
        self.0.delete_role(&cause, &request.get_ref().name).await?;
        Ok(Response::new(proto::DeleteRoleResponse {}))
    }

    async fn explain_permission(
        &self,
        request: Request<proto::ExplainPermissionRequest>,
    ) -> Result<Response<proto::ExplainPermissionResponse>, Status> {
        let (caller, _) = self.context(&request)?;
        let message = request.get_ref();
        let id = convert::user_id(&message.user_id)?;
        let (status, paths) = self.0.explain(caller.tenant, id, &message.permission).await?;
        let paths: Vec<_> = paths
            .into_iter()
            .map(|path| proto::GrantPath { role: path.role, built_in: path.built_in, grant: path.grant })
            .collect();
        Ok(Response::new(proto::ExplainPermissionResponse {
            allowed: status == users::Status::Active && !paths.is_empty(),
            user_status: status.as_str().to_owned(),
            paths,
        }))
    }

    async fn declare_permissions(
        &self,
        request: Request<proto::DeclarePermissionsRequest>,
    ) -> Result<Response<proto::DeclarePermissionsResponse>, Status> {
        let proto::DeclarePermissionsRequest { source, permissions } = request.into_inner();
        let declared = permissions.into_iter().map(|one| Declared {
            permission: one.permission,
            source: source.clone(),
            description: one.description,
        });
        self.0.declare(&source, declared.collect()).await?;
        Ok(Response::new(proto::DeclarePermissionsResponse {}))
    }
}
